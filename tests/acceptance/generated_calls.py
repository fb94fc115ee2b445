"""Run by the environment that has the generator: onboards, runs and reads by nothing but the generated client."""

import json
import sys

from convergence_client import AuthenticatedClient, Client
from convergence_client.api.costs import model_costs
from convergence_client.api.health import entrance
from convergence_client.api.organizations import get_organization, onboard, whoami
from convergence_client.api.pipelines import get_run, list_pipelines, list_runs, run_only_pipeline
from convergence_client.api.prices import list_subscriptions, reset_subscriptions
from convergence_client.models import OrganizationRequest, RunRequest

address, root_key = sys.argv[1:]
root = AuthenticatedClient(base_url=address, token=root_key, prefix="", auth_header_name="X-CA-Root-Key")

told = {"version": entrance.sync(client=Client(base_url=address)).version}
wanted = OrganizationRequest(org_slug="generated", company_name="Generated", admin_email="admin@example.com", subscription_plan="SCALE")
made = onboard.sync(client=root, body=wanted)
told["again"] = onboard.sync(client=root, body=wanted).title

own = AuthenticatedClient(base_url=address, token=made.api_key, prefix="", auth_header_name="X-API-Key")
told["whoami"] = whoami.sync(client=own).org_slug
told["plan"] = get_organization.sync("generated", client=root).subscription_plan
told["pipelines"] = len(list_pipelines.sync("generated", client=own).pipelines)

reset_subscriptions.sync("generated", "openai", client=own)
told["plans"] = len(list_subscriptions.sync("generated", "openai", client=own).rows)
run = run_only_pipeline.sync("generated", "openai", "subscriptions", client=own, body=RunRequest(), wait=True)
told["run"] = run.status
told["steps"] = len(get_run.sync("generated", run.pipeline_logging_id, client=own).steps)
told["newest"] = list_runs.sync("generated", client=own).runs[0].pipeline_logging_id == run.pipeline_logging_id
told["seats"] = type(model_costs.sync("generated", client=own).seats).__name__
sys.stdout.write(json.dumps(told))
