"""Where organisations are told, and with which secrets."""

from tests.planted.defect import Defect

TESTS = "tests/app/test_channels.py"
CHANNELS, TERMS, REPLAYS = (f"src/core/outbox/{name}.py" for name in ("channels", "terms", "replays"))

DEFECTS = (
    Defect(
        "channels",
        "a webhook may be sent to what stands inside the network",
        CHANNELS,
        '                await self.check_address(terms["url"].reveal())',
        "                pass",
        (f"{TESTS}::test_an_address_inside_is_refused_also_when_it_is_changed_to",),
    ),
    Defect(
        "channels",
        "the secret before signs for ever after a rotation",
        CHANNELS,
        "channel.secret_before_until > services.clock.now():",
        "channel.secret_before_until != services.clock.now():",
        (f"{TESTS}::test_both_secrets_sign_during_the_grace_and_one_after_it",),
    ),
    Defect(
        "channels",
        "what is shown of Slack's address holds its secret",
        CHANNELS,
        '    if kind == "slack":',
        '    if kind == "email":',
        (f"{TESTS}::test_of_slacks_address_the_host_alone_is_shown",),
    ),
    Defect(
        "channels",
        "a webhook's query, which may hold a token, is shown and kept in the audit trail",
        CHANNELS,
        "{'?...' if parts.query else ''}",
        "{'?' + parts.query if parts.query else ''}",
        (f"{TESTS}::test_a_secret_is_shown_once_and_signs_what_the_test_call_sends",),
    ),
    Defect(
        "channels",
        "two channels have one name, and a document's hook tells either",
        CHANNELS,
        "        if other is not None and other.channel_id != channel.channel_id:",
        "        if other is not None and other.channel_id == channel.channel_id:",
        (f"{TESTS}::test_a_name_is_one_channels_and_there_are_twenty_at_most",),
    ),
    Defect(
        "channels",
        "what waits for a channel that is paused is sent all the same",
        CHANNELS,
        '            self._withdraw(unit, changed, "its channel was paused")',
        "            pass",
        (f"{TESTS}::test_what_waits_for_a_channel_that_is_paused_or_gone_is_withdrawn",),
    ),
    Defect(
        "channels",
        "a channel that was enabled again is disabled at its next refusal",
        CHANNELS,
        "            channels.accepted(unit, seen.channel_id)",
        "            pass",
        (f"{TESTS}::test_one_that_was_disabled_is_enabled_with_a_clean_slate",),
    ),
    Defect(
        "channels",
        "somebody gets each mail twice, who stands twice in other letters",
        TERMS,
        "{address.lower(): _normal(address) for address in terms",
        "{address: _normal(address) for address in terms",
        (f"{TESTS}::test_a_channel_is_made_changed_and_removed",),
    ),
    Defect(
        "channels",
        "a replay leaves out what was sent at the moment it begins with",
        REPLAYS,
        "if row.created_at >= since]",
        "if row.created_at > since]",
        (f"{TESTS}::test_what_was_sent_is_sent_again_under_its_own_id",),
    ),
)
