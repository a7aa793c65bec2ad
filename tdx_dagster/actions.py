"""The names that people need who write actions of their own; they stay, whatever is moved behind them.

Belongs here: re-exports, each documented at its definition and in docs/writing-an-action.md. Does not: code.
Tests of actions use `tdx_dagster.testing`.
"""

from tdx_dagster.state.records import ActionIdentity, EffectRecord, LogRow, StoredResult
from tdx_dagster.tdx.errors import TdxError, TdxRefused, TdxRetryLater, TdxSettingError
from tdx_dagster.tdx.models import Asset, FeedEntry, FeedPost, Status, Ticket, TicketItem
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.context import ActionContext, RunContext
from tdx_dagster.tickets.actions.due import Due, TicketLog
from tdx_dagster.tickets.actions.effects import Effect, Evidence, TdxWrites, Writer
from tdx_dagster.tickets.actions.follow_up import FollowUp
from tdx_dagster.tickets.actions.outcome import (
    GiveUp,
    LeftAlone,
    Performed,
    RetryLater,
    Uncertain,
    Waits,
)
from tdx_dagster.tickets.actions.set_status import SetStatus
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket
from tdx_dagster.tickets.ticket_view import TdxReads, TicketView

__all__ = [
    "Action",
    "ActionContext",
    "ActionIdentity",
    "AddAsset",
    "Asset",
    "Comment",
    "Due",
    "Effect",
    "EffectRecord",
    "Evidence",
    "FeedEntry",
    "FeedPost",
    "FollowUp",
    "GiveUp",
    "LeftAlone",
    "LogRow",
    "Performed",
    "RetryLater",
    "RunContext",
    "SetStatus",
    "Status",
    "StoredResult",
    "SummaryComment",
    "TdxError",
    "TdxReads",
    "TdxRefused",
    "TdxRetryLater",
    "TdxSettingError",
    "TdxWrites",
    "Ticket",
    "TicketItem",
    "TicketLog",
    "TicketView",
    "Uncertain",
    "UpdateTicket",
    "Waits",
    "Writer",
]
