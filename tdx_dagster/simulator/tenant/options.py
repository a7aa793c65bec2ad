"""Switches for what sources on TDX disagree about or leave open, so that both outcomes can be tested.

Does not contain: faults (dropped connections, delays, wrong statuses), which are in `faults`.
"""

from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from tdx_dagster.simulator.tenant.shapes import UNSET_DATE

Rewrite = Literal[
    "astral_dropped", "astral_lost", "typography", "links", "mentions", "cut", "footer", "reserialised"
]  # fmt: skip
REWRITES: tuple[str, ...] = get_args(Rewrite)
"""Ways to show a comment in another form, in the order in which they apply; see `rewrites`."""


@dataclass
class Options:
    """How this tenant behaves where real ones differ. Fields may be changed while it runs."""

    token_quoted: bool = False
    """Sign-in sends the token inside double quotes."""
    bad_credentials_status: int = 403
    """Answer to a wrong password or key: 400, 401 or 403."""
    unauthorized_body: bool = False
    """A 401 carries an error object instead of nothing."""
    denied_status: int = 403
    """Answer where the caller lacks a permission: 401 or 403."""
    denied_apps: tuple[int, ...] = ()
    """Applications the caller may not use."""
    people_application: bool = True
    """Whether the caller may read people other than by lookup."""
    ticket_without_app: bool = True
    """`GET tickets/{id}` without an app id finds the ticket; older versions answered 404."""
    too_large_status: int = 413
    """Answer to a request above 4 MB, which no source states."""

    unset_date: str = UNSET_DATE
    """Year 1 in answers; the other form seen is `0001-01-01T00:00:00`."""
    zoneless_dates: bool = False
    """Modification dates come in tenant-local time without a zone (case A50)."""
    tenant_utc_offset_hours: int = -5
    """What tenant-local means for `zoneless_dates`."""
    partial_lists: Literal["null", "empty"] = "null"
    """What search results send for lists that are not loaded."""

    feed_post_status: int = 201
    """Answer to a posted comment: documented 200, seen 201."""
    feed_oldest_first: bool = False
    """Order of a ticket's feed."""
    feed_cap: int | None = None
    """At most so many entries of a feed are sent, if any such cap exists."""
    notified_nobody: str | None = None
    """`NotifiedList` where nobody was notified: null or an empty string."""
    plain_newlines: Literal["br", "raw"] = "br"
    """Whether plain comments come back with `<br />` or with the newline itself."""
    rewrites: tuple[str, ...] = ()
    """Rewrites of shown comments, see `Rewrite` (case F01)."""
    rewrite_cut_at: int = 200
    """Visible characters that the rewrite `cut` leaves."""
    rewrite_footer: str = "Reply to this message or sign in to the portal to answer."
    """What the rewrite `footer` adds."""
    update_types: Literal["right", "zero", "missing"] = "right"
    """`UpdateType` of feed entries: as documented, 0, or left out."""
    status_alone_accepted: bool = True
    """A status change without a comment is taken, else 400."""
    comment_reopens: bool = False
    """A comment on a finished ticket sets it back to the default status (case A40)."""

    link_body: Literal["message", "text", "empty"] = "message"
    """Body of the 200 that a new link gets: JSON string, bare text, or nothing."""
    repeated_link_status: int = 204
    """Answer to a link that is there already."""
    unlink_missing_status: int = 404
    """Answer to taking away a link that is not there."""
    unknown_link_target_status: int = 404
    """Answer to linking an asset that does not exist: 404 or 400."""

    invisible_report_status: int = 403
    """Answer for a report that is not shared with the caller: 401, 403 or 404."""
    report_ids_as: Literal["integer", "float", "text"] = "integer"
    """How whole numbers stand in report rows (case A18)."""
    report_omits: tuple[str, ...] = ()
    """Columns that the report does not have, for example `TicketID` (case A17)."""
    report_renames: dict[str, str] = field(default_factory=dict)
    """New column names by old ones (case A17)."""
    report_empty_text: str | None = ""
    """An empty text cell: an empty string or null."""
    report_cap_applied: bool = False
    """Rows end at the report's `MaxResults`, which the API is said to ignore (case A21)."""

    asset_create_status: int = 201
    """Answer to a new asset: 201 or 200."""
    inactive_asset_statuses_listed: bool = True
    """Whether `assets/statuses` lists inactive ones."""
    lookup_user_names: bool = False
    """Whether `people/lookup` fills `UserName`."""
    long_people_search_refused: bool = False
    """A people search text above 50 characters gets 400 instead of being cut."""
    user_names_as_uid: bool = True
    """`people/{uid}` also takes a user name."""

    rate_headers_without_limits: bool = False
    """Send the three rate headers although nothing is limited; one public client insists on them."""
    reset_rounded_up: bool = False
    """Round the end of a window up to the next second; cut off otherwise, so that it may come early."""

    def set(self, name: str, value: object) -> None:
        """Change one switch by name.

        Args:
            name: A field of this class.
            value: Its new value; a list becomes a tuple where one is expected.

        Raises:
            ValueError: There is no such switch, or the value has the wrong type.
        """
        known = {item.name for item in fields(self)}
        if name not in known:
            raise ValueError(f"There is no switch {name!r}; known are: {', '.join(sorted(known))}.")
        before = getattr(self, name)
        if isinstance(before, tuple) and isinstance(value, list):
            value = tuple(value)
        if before is not None and value is not None and type(value) is not type(before):
            raise ValueError(f"Switch {name!r} takes a {type(before).__name__}, not {value!r}.")
        if name == "rewrites" and isinstance(value, tuple) and set(value) - set(REWRITES):
            raise ValueError(f"Rewrites are {', '.join(REWRITES)}, not {value!r}.")
        setattr(self, name, value)
