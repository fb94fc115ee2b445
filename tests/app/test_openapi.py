"""The OpenAPI document says what FastAPI does not know, and says it once however often it is asked for."""

from src.app.answers.openapi import USER_ID
from src.app.config import Settings
from src.app.service import create_app


def test_the_document_is_the_same_each_time_and_names_each_parameter_once():
    app = create_app(Settings(ca_root_api_key="admin_key", _env_file=None))

    first = repr(app.openapi())
    document = app.openapi()

    assert repr(document) == first
    for operations in document["paths"].values():
        for operation in operations.values():
            named = [(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", ())]
            assert len(named) == len(set(named))
            assert (("header", USER_ID["name"]) in named) == (operation["x-access"] != "anyone")
            assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}
    assert set(document["components"]["securitySchemes"]) == {"RootKey", "AdminKey", "OrgKey"}
