"""What leaves this service for people and other systems."""

from tests.planted.defect import Defect

ADDRESS, HTTP = "tests/core/notify/test_address.py", "tests/core/notify/test_http.py"
MAIL, MESSAGES = "tests/core/notify/test_mail.py", "tests/core/notify/test_messages.py"

DEFECTS = (
    Defect(
        "messages",
        "an address inside passes when it is written as IPv6",
        "src/core/notify/address.py",
        "        return lies_inside(address.ipv4_mapped)",
        "        return False",
        (f"{ADDRESS}::test_no_disguise_of_a_private_address_is_let_through",),
    ),
    Defect(
        "messages",
        "the name is looked up once more after it was checked",
        "src/core/notify/http_post.py",
        "                target.at(address),",
        "                target.url,",
        (f"{ADDRESS}::test_what_was_checked_is_connected_to_and_the_server_proves_its_name",),
    ),
    Defect(
        "messages",
        "the server proves the address, not the name",
        "src/core/notify/http_post.py",
        '                extensions={"sni_hostname": target.url.raw_host.decode("ascii")},',
        "                extensions={},",
        (f"{ADDRESS}::test_what_was_checked_is_connected_to_and_the_server_proves_its_name",),
    ),
    Defect(
        "messages",
        "of several addresses the first alone is looked at",
        "src/core/notify/address.py",
        "        for address in addresses:",
        "        for address in addresses[:1]:",
        (f"{ADDRESS}::test_one_address_inside_among_others_is_enough",),
    ),
    Defect(
        "messages",
        "an encoded word in a subject begins another header",
        "src/core/notify/mail.py",
        '        message["Subject"] = text.subject.replace(ENCODED_WORD, "= ?")',
        '        message["Subject"] = text.subject',
        (f"{MESSAGES}::test_what_others_wrote_does_nothing",),
    ),
    Defect(
        "messages",
        "Slack reads what others wrote as markup",
        "src/core/notify/slack.py",
        '    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")',
        "    return text",
        (f"{MESSAGES}::test_what_others_wrote_does_nothing",),
    ),
    Defect(
        "messages",
        "while a secret changes the old one signs nothing",
        "src/core/notify/webhook.py",
        "    signatures = [Webhook(secret.reveal()).sign(parcel_id, at, body) for secret in destination.signing_secrets]",
        "    signatures = [Webhook(secret.reveal()).sign(parcel_id, at, body) for secret in destination.signing_secrets[:1]]",
        (f"{HTTP}::test_while_a_secret_changes_the_receiver_may_know_either",),
    ),
    Defect(
        "messages",
        "a mail server that is busy has refused for good",
        "src/core/notify/mail.py",
        "                lasting = fault if wrong.code >= FROM_HERE_IT_STAYS else Unavailable",
        "                lasting = fault",
        (f"{MAIL}::test_what_an_answer_means",),
    ),
)
