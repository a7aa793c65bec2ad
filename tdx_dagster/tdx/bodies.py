"""The JSON that calls send: a feed entry, an asset search, a JSON Patch.

Belongs here: every field with the value that no default of TDX decides, and searches that would find
everything refused. Does not: which call sends it (`client`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC

from tdx_dagster.tdx.models import AssetSearch, FeedPost, PatchOperation, TicketSearch

# Shorter ones, and empty filters, find the whole inventory (case A33).
SHORTEST_SEARCH = 2
# What the old daemon put into `notify` to say "nobody"; TDX does not document what it makes of it.
NOBODY = "null"


def feed_entry_body(post: FeedPost) -> Mapping[str, object]:
    """Give the body of a feed post: every field, so that no default of TDX decides (A42, A43)."""
    return {
        "Comments": post.comments,
        "NewStatusID": post.new_status_id,
        "CascadeStatus": post.cascade_status,
        "IsPrivate": post.is_private,
        "IsRichHtml": post.is_rich_html,
        "IsCommunication": post.is_communication,
        "Notify": [address for address in post.notify if address.strip().lower() != NOBODY],
    }


def patch_body(operations: Sequence[PatchOperation]) -> list[dict[str, object]]:
    """Give the body of a JSON Patch.

    Raises:
        ValueError: There is no operation.
    """
    if not operations:
        raise ValueError("A patch without operations changes nothing.")
    return [
        {"op": one.op, "path": one.path} | ({} if one.op == "remove" else {"value": one.value})
        for one in operations
    ]


def asset_search_body(search: AssetSearch) -> Mapping[str, object]:
    """Give the body of a search: only the filters that are set.

    Raises:
        ValueError: A filter is so empty that it would find the whole inventory (case A33).
    """
    body: dict[str, object] = {}
    if search.search_text is not None:
        body["SearchText"] = _term("search_text", search.search_text)
    if search.serial_like is not None:
        body["SerialLike"] = _term("serial_like", search.serial_like)
    lists = {
        "StatusIDs": search.status_ids,
        "FormIDs": search.form_ids,
        "OwningCustomerIDs": search.owner_uids,
    }
    for name, values in lists.items():
        if values is not None:
            if not values:
                raise ValueError(f"An empty {name} would find every asset; leave it None for that.")
            body[name] = list(values)
    if search.modified_from is not None:
        body["ModifiedDateFrom"] = search.modified_from.astimezone(UTC).isoformat()
    if search.created_from is not None:
        body["CreatedDateFrom"] = search.created_from.astimezone(UTC).isoformat()
    if search.max_results is not None:
        body["MaxResults"] = search.max_results
    return body


def ticket_search_body(search: TicketSearch) -> Mapping[str, object]:
    """Give the body of a search for tickets.

    Raises:
        ValueError: A filter is so empty that it would find every ticket (case A38).
    """
    # Left out, MaxResults means 300; 0 means all.
    body: dict[str, object] = {"MaxResults": search.max_results}
    dates = {"ModifiedDateFrom": search.modified_from, "ModifiedDateTo": search.modified_to}
    body |= {name: at.astimezone(UTC).isoformat() for name, at in dates.items() if at}
    lists = {"RequestorUids": search.requestor_uids, "ConfigurationItemIDs": search.item_ids}
    for name, values in lists.items():
        if values is not None:
            if not all(values) or not values:
                raise ValueError(
                    f"An empty {name} would find every ticket; leave it None for that."
                )
            body[name] = list(values)
    if len(body) == 1:
        raise ValueError("A search without a filter would find every ticket.")
    classes = {"StatusClassIDs": [one.value for one in search.classes]} if search.classes else {}
    return body | classes


def _term(name: str, text: str) -> str:
    term = text.strip()
    if len(term) < SHORTEST_SEARCH:
        raise ValueError(f"{name} {text!r} would find everything.")
    return term
