"""`/v2/operations`, `/v2/clouds` and `/v2/whoami`: they only look."""

from litestar import Controller, get
from litestar.params import FromPath, FromQuery

from mantle.access.policy import allows, enforce
from mantle.api.own.explanations import ExplanationAnswer, explanation_shape
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import (
    CloudAnswer,
    CloudsAnswer,
    LimitationItem,
    OperationAnswer,
    OperationsAnswer,
    SelfAnswer,
    UnmanagedAnswer,
    UnmanagedItem,
    cloud_shape,
    operation_shape,
    when,
)
from mantle.stacks.explain import explain_operation
from mantle.stacks.queries import find_operation, find_stack, list_operations, list_stuck
from mantle.stacks.unmanaged import unmanaged


class OperationsController(Controller):
    """Operations of the token's project."""

    path = "/operations"
    tags = ["operations"]

    @get("/", summary="List operations")
    async def index(
        self,
        control: GivenControl,
        caller: GivenCaller,
        stack: FromQuery[str | None] = None,
        stuck: FromQuery[bool] = False,
        all_projects: FromQuery[bool] = False,
        request_id: FromQuery[str | None] = None,
    ) -> OperationsAnswer:
        """Newest first; of one stack when it is named, only those that cannot go on if asked.

        `request_id` is the X-OpenStack-Request-ID of an answer: those that this request led to.

        An administrator may ask for those of every project.
        """
        enforce(caller, "operations:all_projects" if all_projects else "operations:index")
        project_id = None if all_projects else caller.project_id
        of = None
        if stack is not None:
            of = await find_stack(control, caller.project_id, stack, deleted=True)
        if stuck:
            marked = await list_stuck(control, project_id, of)
            return OperationsAnswer(operations=[operation_shape(*each) for each in marked])
        if of is None:
            found = await list_operations(control, project_id=project_id, request_id=request_id)
        else:
            found = await list_operations(control, of, request_id=request_id)
        return OperationsAnswer(operations=[operation_shape(one) for one in found])

    @get("/{operation_id:str}", summary="Show an operation")
    async def show(
        self, control: GivenControl, caller: GivenCaller, operation_id: FromPath[str]
    ) -> OperationAnswer:
        """How far it is, and why it ended."""
        enforce(caller, "operations:show")
        found = await find_operation(control, caller.project_id, operation_id)
        return OperationAnswer(operation=operation_shape(found))

    @get("/{operation_id:str}/explain", summary="Explain an operation")
    async def explain(
        self, control: GivenControl, caller: GivenCaller, operation_id: FromPath[str]
    ) -> ExplanationAnswer:
        """Who holds it, what each step waits for since when, and what happens next.

        An administrator may have those of other projects explained: whoever is to take one over
        has to know why.
        """
        enforce(caller, "operations:show")
        everywhere = allows(caller.roles, "operations:all_projects")
        found = await find_operation(
            control, None if everywhere else caller.project_id, operation_id
        )
        return explanation_shape(await explain_operation(control, found))


class CloudsController(Controller):
    """The configured clouds."""

    path = "/clouds"
    tags = ["clouds"]

    @get("/", summary="List clouds")
    async def index(self, control: GivenControl, caller: GivenCaller) -> CloudsAnswer:
        """By name."""
        enforce(caller, "clouds:index")
        clouds = [control.clouds[name] for name in sorted(control.clouds)]
        return CloudsAnswer(clouds=[cloud_shape(cloud, control.default_cloud) for cloud in clouds])

    @get("/{name:str}", summary="Show a cloud")
    async def show(
        self, control: GivenControl, caller: GivenCaller, name: FromPath[str]
    ) -> CloudAnswer:
        """With everything it cannot do."""
        enforce(caller, "clouds:index")
        cloud = control.cloud_named(name)
        limitations = [
            LimitationItem(
                resource_type=one.resource_type, path=one.path, why=one.why, remedy=one.remedy
            )
            for one in cloud.limitations
        ]
        return CloudAnswer(cloud=cloud_shape(cloud, control.default_cloud), limitations=limitations)

    @get("/{name:str}/unmanaged", summary="List what is in no stack")
    async def unmanaged(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name: FromPath[str],
        type: FromQuery[str | None] = None,  # noqa: A002 - the query's name
    ) -> UnmanagedAnswer:
        """The project's objects on the cloud that no live stack knows."""
        enforce(caller, "clouds:unmanaged")
        found = await unmanaged(control, caller.project_id, name, type, caller.user_id)
        return UnmanagedAnswer(
            objects=[
                UnmanagedItem(
                    type=each.type,
                    id=each.id,
                    name=each.name,
                    status=each.status,
                    created_at=when(each.created_at),
                )
                for each in found.objects
            ],
            unseen=dict(found.unseen),
        )


@get("/whoami", tags=["self"], summary="Show who the token says you are")
async def whoami(caller: GivenCaller) -> SelfAnswer:
    """User, project and roles."""
    enforce(caller, "self:show")
    return SelfAnswer(
        user_id=caller.user_id,
        user_name=caller.user_name,
        project_id=caller.project_id,
        project_name=caller.project_name,
        roles=sorted(caller.roles),
    )
