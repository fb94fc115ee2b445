"""OpenAI's reports of use and costs, bucket by bucket."""

import threading
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from src.core.base.faults import Fault, StepFailed
from src.core.base.secret import Secret
from src.core.providers.http.auth import bearer
from src.core.providers.http.buckets import BucketPage, BucketReader, since_epoch
from src.core.providers.http.client import HttpAnswer
from src.core.providers.http.paging import Page
from src.core.providers.http.reports import ReportApi, each
from src.core.providers.link import ProviderLink
from src.core.providers.openai.columns import novel_row
from src.core.providers.openai.refusals import TITLE, refusal
from src.core.providers.openai.reports import COSTS, FINE, Bucket, CostLine, UsageReport

BAD_REQUEST = 400
API = ReportApi(TITLE, bearer, refusal, lambda first, end: {"start_time": first, "end_time": end})
COST_PAGES = msgspec.json.Decoder(BucketPage[Bucket[CostLine]])
NOVEL_PAGES = msgspec.json.Decoder(BucketPage[Bucket[dict[str, Any]]], float_hook=Decimal)


class GroupingRefused(StepFailed):
    """Costs are not told by key or by person to this organisation, or not of this range: a coarser question may be answered."""


def usage(link: ProviderLink, key: Secret, report: UsageReport, stopped: threading.Event | None = None) -> BucketReader[Any]:
    """Grouped by all that the report knows."""
    decode = partial(_usage_page, report)
    return BucketReader(API, link, key, report.path, report.groups, decode, report.most, stopped or threading.Event())


def costs(link: ProviderLink, key: Secret, *groups: str) -> BucketReader[CostLine]:
    api = replace(API, refusal=_grouping_refused) if FINE & set(groups) else API
    return BucketReader(api, link, key, COSTS.path, groups, COST_PAGES.decode, COSTS.most)


def organization(link: ProviderLink, key: Secret) -> str | None:
    """Asks for the costs of today, the least that a key must read; tells what OpenAI calls the organisation, where it says so."""
    first = Page(f"{link.endpoint()}/{COSTS.path}", {"start_time": since_epoch(link.clock.now().date()), "limit": 1})
    answer = API.ask(link, key, first)
    API.decoded(link, answer, COSTS.path, COST_PAGES.decode)
    return answer.headers.get("openai-organization")


def _grouping_refused(answer: HttpAnswer, now: datetime, asked: str) -> Fault:
    fault = refusal(answer, now, asked)
    return GroupingRefused(fault.detail) if answer.status == BAD_REQUEST else fault


def _usage_page(report: UsageReport, body: bytes) -> BucketPage[Any]:
    try:
        return report.decoder.decode(body)
    except msgspec.ValidationError:
        # a field that this release does not know is no flaw, and a number in it no nothing
        page = NOVEL_PAGES.decode(body)
    return BucketPage([_novel_bucket(report, number, bucket) for number, bucket in enumerate(page.data)], page.has_more, page.next_page)


def _novel_bucket(report: UsageReport, number: int, bucket: Bucket[dict[str, Any]]) -> Bucket[Any]:
    rows = each(partial(novel_row, report), bucket.rows or (), f"data.{number}.results")
    return Bucket(bucket.start_time, msgspec.UNSET if bucket.rows is None else rows)
