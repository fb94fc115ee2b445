"""A table of raw rows held against the manifests, as an answer."""

from datetime import datetime
from typing import Final

from src.app.models.proof import FileProof, ObjectProof, ProofAnswer, SliceProof
from src.core.base.identity import Tenant
from src.core.costs.proof import STATES, ProvenSlice, TableProof

MOST_SHOWN: Final = 5000


def proof_answer(tenant: Tenant, table: str, proof: TableProof, checked_at: datetime) -> ProofAnswer:
    files = (
        None
        if proof.files is None
        else [
            FileProof(name=one.name, bytes=one.bytes, sha256=one.sha256, state=one.state, as_it_came=one.sha256 in proof.named_hashes)
            for one in proof.files[:MOST_SHOWN]
        ]
    )
    return ProofAnswer(
        org_slug=tenant.org_slug,
        table=table,
        checked_at=checked_at,
        state=proof.state,
        says=proof.says,
        counts={state: proof.counts.get(state, 0) for state in STATES},
        slices=[_slice(one) for one in proof.slices[:MOST_SHOWN]],
        slices_left_off=max(0, len(proof.slices) - MOST_SHOWN),
        files=files,
        files_left_off=max(0, len(proof.files or ()) - MOST_SHOWN),
    )


def _slice(one: ProvenSlice) -> SliceProof:
    named = one.named
    return SliceProof(
        source=one.source,
        slice=one.slice,
        state=one.state,
        says=one.says,
        rows_stand=one.stands,
        rows_named=named.rows if named else None,
        manifest_id=named.manifest_id if named else None,
        pipeline_logging_id=named.run_id if named else None,
        published_at=named.published_at if named else None,
        objects=[ObjectProof(**each) for each in named.objects] if named else [],
    )
