CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE hooks (
	operation_id VARCHAR(36) NOT NULL, 
	resource VARCHAR(255) NOT NULL, 
	hook VARCHAR(16) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	held_at FLOAT NOT NULL, 
	cleared_at FLOAT, 
	cleared_by VARCHAR(64), 
	PRIMARY KEY (operation_id, resource, hook)
);
CREATE INDEX hooks_by_stack ON hooks (stack_id);
CREATE TABLE saved_plans (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	stack_name VARCHAR(255) NOT NULL, 
	action VARCHAR(16) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	document BLOB NOT NULL, 
	binding BLOB NOT NULL, 
	options BLOB NOT NULL, 
	waves BLOB NOT NULL, 
	wave INTEGER NOT NULL, 
	done BLOB NOT NULL, 
	running BLOB NOT NULL, 
	requests BLOB NOT NULL, 
	notes BLOB NOT NULL, 
	source_id VARCHAR(64), 
	base_source_id VARCHAR(64), 
	operation_id VARCHAR(36), 
	look_at FLOAT NOT NULL, 
	made_by BLOB NOT NULL, 
	applied_by BLOB NOT NULL, 
	made_at FLOAT NOT NULL, 
	expires_at FLOAT NOT NULL, 
	ended_at FLOAT, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX saved_plans_by_status ON saved_plans (status);
CREATE INDEX saved_plans_by_stack ON saved_plans (stack_id);
CREATE INDEX saved_plans_by_project ON saved_plans (project_id, made_at);
CREATE TABLE stack_guards (
	stack_id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	protected BOOLEAN NOT NULL, 
	why TEXT NOT NULL, 
	set_by VARCHAR(255) NOT NULL, 
	expires_at FLOAT, 
	leads BLOB NOT NULL, 
	warned BLOB NOT NULL, 
	quiet_until FLOAT NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (stack_id)
);
CREATE INDEX stack_guards_by_end ON stack_guards (expires_at);
CREATE TABLE policy_rules (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	effect VARCHAR(16) NOT NULL, 
	expression TEXT NOT NULL, 
	actions BLOB NOT NULL, 
	resource_types BLOB NOT NULL, 
	description TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	set_by VARCHAR(255) NOT NULL, 
	set_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE UNIQUE INDEX policy_rules_by_name ON policy_rules (project_id, name);
CREATE TABLE snapshots (
	id VARCHAR(36) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	operation_id VARCHAR(36) NOT NULL, 
	name VARCHAR(255), 
	status VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	source_id VARCHAR(64) NOT NULL, 
	data BLOB NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX snapshots_by_stack ON snapshots (stack_id);
CREATE TABLE snapshot_contents (
	token VARCHAR(128) NOT NULL, 
	snapshot_id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	cloud VARCHAR(255) NOT NULL, 
	path TEXT NOT NULL, 
	resource_type TEXT NOT NULL, 
	kept BLOB, 
	leaving BOOLEAN NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (token)
);
CREATE INDEX snapshot_contents_by_snapshot ON snapshot_contents (snapshot_id);
CREATE TABLE drift_findings (
	sequence INTEGER NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	resource_id VARCHAR(36) NOT NULL, 
	resource VARCHAR(255) NOT NULL, 
	resource_type TEXT NOT NULL, 
	path VARCHAR(255) NOT NULL, 
	expected BLOB, 
	actual BLOB, 
	first_seen FLOAT NOT NULL, 
	last_seen FLOAT NOT NULL, 
	ended_at FLOAT, 
	ending VARCHAR(32), 
	operation_id VARCHAR(36), 
	note TEXT, 
	PRIMARY KEY (sequence)
);
CREATE INDEX drift_findings_by_operation ON drift_findings (operation_id);
CREATE INDEX drift_findings_by_stack ON drift_findings (stack_id, ended_at);
CREATE TABLE drift_policies (
	stack_id VARCHAR(36) NOT NULL, 
	resource VARCHAR(255) NOT NULL, 
	policy VARCHAR(16) NOT NULL, 
	PRIMARY KEY (stack_id, resource)
);
CREATE TABLE drift_looks (
	project_id VARCHAR(64) NOT NULL, 
	cloud VARCHAR(64) NOT NULL, 
	looked_at FLOAT NOT NULL, 
	calls INTEGER NOT NULL, 
	objects INTEGER NOT NULL, 
	claimed_at FLOAT, 
	PRIMARY KEY (project_id, cloud)
);
CREATE TABLE drift_sights (
	stack_id VARCHAR(36) NOT NULL, 
	looked_at FLOAT, 
	blind BLOB, 
	PRIMARY KEY (stack_id)
);
CREATE TABLE drift_corrections (
	operation_id VARCHAR(36) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	begun_at FLOAT NOT NULL, 
	PRIMARY KEY (operation_id)
);
CREATE INDEX drift_corrections_by_stack ON drift_corrections (stack_id, begun_at);
CREATE TABLE moves (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	request BLOB NOT NULL, 
	source_name VARCHAR(255) NOT NULL, 
	target_name VARCHAR(255) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	document BLOB NOT NULL, 
	prints BLOB NOT NULL, 
	new_stack_id VARCHAR(36), 
	made_by BLOB NOT NULL, 
	made_at FLOAT NOT NULL, 
	expires_at FLOAT NOT NULL, 
	applied_at FLOAT, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX moves_by_project ON moves (project_id, made_at);
CREATE TABLE users (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	password_hash TEXT NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	default_project_id VARCHAR(64), 
	description TEXT NOT NULL, 
	email TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
CREATE TABLE projects (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	description TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
CREATE TABLE grants (
	user_id VARCHAR(64) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	role VARCHAR(64) NOT NULL, 
	PRIMARY KEY (user_id, project_id, role)
);
CREATE TABLE credentials (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	user_id VARCHAR(64) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	secret_hash TEXT NOT NULL, 
	roles BLOB NOT NULL, 
	description TEXT NOT NULL, 
	unrestricted BOOLEAN NOT NULL, 
	expires_at FLOAT, 
	PRIMARY KEY (id)
);
CREATE UNIQUE INDEX credentials_by_name ON credentials (user_id, name);
CREATE TABLE tokens (
	digest VARCHAR(64) NOT NULL, 
	user_id VARCHAR(64) NOT NULL, 
	project_id VARCHAR(64), 
	methods BLOB NOT NULL, 
	credential_id VARCHAR(64), 
	audit_id VARCHAR(64) NOT NULL, 
	issued_at FLOAT NOT NULL, 
	expires_at FLOAT NOT NULL, 
	PRIMARY KEY (digest)
);
CREATE INDEX tokens_by_user ON tokens (user_id);
CREATE INDEX tokens_by_expiry ON tokens (expires_at);
CREATE TABLE ec2_credentials (
	access VARCHAR(64) NOT NULL, 
	user_id VARCHAR(64) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (access)
);
CREATE INDEX ec2_credentials_by_user ON ec2_credentials (user_id);
CREATE TABLE interventions (
	sequence INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	operation_id VARCHAR(36) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	plan_id VARCHAR(36), 
	step TEXT NOT NULL, 
	verb VARCHAR(16) NOT NULL, 
	why TEXT NOT NULL, 
	user_id VARCHAR(64) NOT NULL, 
	user_name VARCHAR(255) NOT NULL, 
	asked_at FLOAT NOT NULL, 
	"before" TEXT NOT NULL, 
	carry_on BOOLEAN NOT NULL, 
	now BOOLEAN NOT NULL, 
	settled_at FLOAT, 
	honoured BOOLEAN NOT NULL, 
	outcome TEXT NOT NULL, 
	resources BLOB NOT NULL, 
	PRIMARY KEY (sequence), 
	UNIQUE (id)
);
CREATE INDEX interventions_by_operation ON interventions (operation_id, sequence);
CREATE TABLE looks (
	operation_id VARCHAR(36) NOT NULL, 
	step VARCHAR(600) NOT NULL, 
	calls INTEGER NOT NULL, 
	errors INTEGER NOT NULL, 
	last_error TEXT NOT NULL, 
	error_at FLOAT, 
	looked_at FLOAT NOT NULL, 
	pause_seconds FLOAT NOT NULL, 
	"inner" VARCHAR(36), 
	PRIMARY KEY (operation_id, step)
);
CREATE TABLE stuck (
	operation_id VARCHAR(36) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	since FLOAT NOT NULL, 
	reasons BLOB NOT NULL, 
	PRIMARY KEY (operation_id)
);
CREATE TABLE sources (
	id VARCHAR(64) NOT NULL, 
	document BLOB NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE stacks (
	id VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	owner_id VARCHAR(64) NOT NULL, 
	owner_name VARCHAR(255) NOT NULL, 
	description TEXT NOT NULL, 
	action VARCHAR(16) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	cloud VARCHAR(255) NOT NULL, 
	source_id VARCHAR(64) NOT NULL, 
	previous_source_id VARCHAR(64), 
	disable_rollback BOOLEAN NOT NULL, 
	timeout_minutes INTEGER, 
	tags TEXT NOT NULL, 
	parent_id VARCHAR(36), 
	parent_resource VARCHAR(255), 
	root_id VARCHAR(36) NOT NULL, 
	depth INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	updated_at FLOAT, 
	deleted_at FLOAT, 
	outputs BLOB NOT NULL, 
	output_errors BLOB NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX stacks_by_root ON stacks (root_id);
CREATE INDEX stacks_by_project ON stacks (project_id, created_at);
CREATE UNIQUE INDEX stacks_live_name ON stacks (project_id, name) WHERE deleted_at IS NULL AND parent_id IS NULL;
CREATE INDEX stacks_by_parent ON stacks (parent_id);
CREATE TABLE resources (
	id VARCHAR(36) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	type TEXT NOT NULL, 
	resolved_type TEXT NOT NULL, 
	action VARCHAR(16) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	token VARCHAR(64) NOT NULL, 
	physical_id TEXT, 
	properties BLOB NOT NULL, 
	attributes BLOB NOT NULL, 
	data BLOB NOT NULL, 
	metadata BLOB NOT NULL, 
	requires BLOB NOT NULL, 
	deletion_policy VARCHAR(16) NOT NULL, 
	replaces VARCHAR(36), 
	replaced_by VARCHAR(36), 
	operation_id VARCHAR(36), 
	plan_id VARCHAR(36), 
	started_at FLOAT, 
	version INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	updated_at FLOAT, 
	PRIMARY KEY (id)
);
CREATE INDEX resources_by_physical_id ON resources (physical_id);
CREATE INDEX resources_by_stack ON resources (stack_id, name);
CREATE TABLE plans (
	id VARCHAR(36) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	document BLOB NOT NULL, 
	created_at FLOAT NOT NULL, 
	expires_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX plans_by_stack ON plans (stack_id);
CREATE TABLE operations (
	sequence INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	action VARCHAR(16) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	plan_id VARCHAR(36), 
	epoch INTEGER NOT NULL, 
	engine VARCHAR(64) NOT NULL, 
	cancel VARCHAR(16), 
	reason TEXT NOT NULL, 
	parent_id VARCHAR(36), 
	request_id VARCHAR(64) NOT NULL, 
	created_at FLOAT NOT NULL, 
	started_at FLOAT, 
	ended_at FLOAT, 
	deadline_at FLOAT, 
	steps_total INTEGER NOT NULL, 
	steps_done INTEGER NOT NULL, 
	batch_size INTEGER NOT NULL, 
	pause_seconds FLOAT NOT NULL, 
	requester BLOB, 
	snapshot_id VARCHAR(36), 
	format INTEGER, 
	PRIMARY KEY (sequence), 
	UNIQUE (id)
);
CREATE INDEX operations_by_stack ON operations (stack_id, sequence);
CREATE INDEX operations_by_status ON operations (status);
CREATE TABLE events (
	sequence INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	operation_id VARCHAR(36), 
	resource VARCHAR(255) NOT NULL, 
	resource_type TEXT NOT NULL, 
	physical_id TEXT, 
	action VARCHAR(16) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (sequence), 
	UNIQUE (id)
);
CREATE INDEX events_by_stack ON events (stack_id, sequence);
CREATE TABLE signals (
	sequence INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	resource_id VARCHAR(36) NOT NULL, 
	body BLOB NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (sequence)
);
CREATE INDEX signals_by_resource ON signals (resource_id, sequence);
CREATE TABLE engines (
	id VARCHAR(36) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	started_at FLOAT NOT NULL, 
	beat_at FLOAT NOT NULL, 
	stopped_at FLOAT, 
	release VARCHAR(32), 
	format INTEGER, 
	PRIMARY KEY (id)
);
CREATE TABLE settings (
	name VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE event_sinks (
	id VARCHAR(36) NOT NULL, 
	stack_id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	target TEXT NOT NULL, 
	ttl_seconds FLOAT NOT NULL, 
	sequence INTEGER NOT NULL, 
	last INTEGER, 
	attempts INTEGER NOT NULL, 
	next_at FLOAT NOT NULL, 
	problem TEXT NOT NULL, 
	delivered INTEGER NOT NULL, 
	dropped INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX event_sinks_by_stack ON event_sinks (stack_id);
CREATE TABLE project_limits (
	project_id VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	value INTEGER NOT NULL, 
	set_by VARCHAR(255) NOT NULL, 
	set_at FLOAT NOT NULL, 
	PRIMARY KEY (project_id, name)
);
CREATE TABLE secrets (
	id VARCHAR(36) NOT NULL, 
	project_id VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	payload TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	created_by VARCHAR(255) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE UNIQUE INDEX secrets_by_project ON secrets (project_id, name);
INSERT INTO alembic_version VALUES ('0014');
