"""The rows: tables, transactions and the group-commit journal. The only door to SQLAlchemy."""
