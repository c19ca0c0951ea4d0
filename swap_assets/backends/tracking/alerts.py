"""Telling somebody outside: a JSON post to the webhook that SWAP_ALERT_WEBHOOK names.

`{"text": "..."}` is what Slack, Mattermost and Teams' workflows read. The address is a secret and is never shown.
"""

import json
import os
import urllib.error
import urllib.request

WEBHOOK_VARIABLE = "SWAP_ALERT_WEBHOOK"
_TIMEOUT_S = 10.0


def post_alert(text: str) -> str:
    """Post a text to the webhook and say what became of it; an alert that fails must not fail what raised it."""
    address = os.environ.get(WEBHOOK_VARIABLE, "")
    if not address:
        return f"no webhook is set ({WEBHOOK_VARIABLE})"
    if not address.startswith(("https://", "http://")):
        return f"{WEBHOOK_VARIABLE} is no http address, so nothing was posted"
    body = json.dumps({"text": text}).encode()
    try:
        request = urllib.request.Request(address, data=body, headers={"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return f"posted to the webhook, which answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"the webhook refused the alert ({error.code})"
    except (OSError, ValueError) as error:  # their texts may quote the address
        return f"the webhook could not be reached ({type(error).__name__})"
