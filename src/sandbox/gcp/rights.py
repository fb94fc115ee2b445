"""What a service account may see of the sandbox's datasets, and what Google says where it may not."""

from src.sandbox.gcp.accounts import DATASET, LOCATION, PROJECTS, table_names
from src.sandbox.gcp.problems import Failed, GoogleProblem
from src.sandbox.gcp.tokens import Bearer


def require_dataset(bearer: Bearer, project: str, dataset: str, permission: str) -> None:
    if not _may_see(bearer, project):
        denied = f"Access Denied: Dataset {project}:{dataset}: Permission {permission} denied on dataset {project}:{dataset}"
        raise Failed(_denied(f"{denied} (or it may not exist)."))
    if project not in PROJECTS or dataset != DATASET:
        raise Failed(_not_found(f"Not found: Dataset {project}:{dataset}"))


def require_table(project: str, dataset: str, table: str) -> None:
    if table not in table_names(project):
        raise Failed(_not_found(f"Not found: Table {project}:{dataset}.{table}"))


def require_rows(bearer: Bearer, project: str, dataset: str, table: str) -> None:
    """That this account may read what is in the table."""
    if not _may_see(bearer, project):
        name = f"{project}:{dataset}.{table}"
        denied = f"User does not have permission to query table {name}, or perhaps it does not exist"
        raise Failed(_denied(f"Access Denied: Table {name}: {denied}."))
    if project not in PROJECTS or dataset != DATASET:
        raise Failed(_not_found(f"Not found: Dataset {project}:{dataset} was not found in location {LOCATION}"))
    require_table(project, dataset, table)


def require_work(bearer: Bearer, project: str, permission: str) -> None:
    """That this account may have work done in the project, which pays for it."""
    if bearer.account.project != project:
        denied = f"User does not have {permission} permission in project {project}"
        raise Failed(_denied(f"Access Denied: Project {project}: {denied}."))


def _may_see(bearer: Bearer, project: str) -> bool:
    # a project that is not there passes, to be called missing and not denied
    return bearer.account.access == "granted" and (project not in PROJECTS or project == bearer.account.project)


def _denied(message: str) -> GoogleProblem:
    return GoogleProblem(403, "PERMISSION_DENIED", "accessDenied", message)


def _not_found(message: str) -> GoogleProblem:
    return GoogleProblem(404, "NOT_FOUND", "notFound", message)
