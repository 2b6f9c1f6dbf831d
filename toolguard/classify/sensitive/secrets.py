"""Secrets: what lets whoever reads it act as somebody else. Forms are those that the services document."""

from __future__ import annotations

import re
from math import log2

from toolguard.classify.sensitive.kinds import SECRET, Kind

_WORD = r"[A-Za-z0-9_-]"
_BODY = r"[A-Za-z0-9+/=:,\\ \t\r\n]"
_NAMES = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key|account[_-]?key|signing[_-]?key"
    r"|encryption[_-]?key|private[_-]?key|client[_-]?secret|credentials?"
)
# Between a name and its value: `password = "`, `"password": "`, `--password=`, `password is `.
_IS = r"""["']{0,2}[ \t]{0,4}(?::=|=>|[:=]|[ \t]is[ \t])[ \t]{0,4}["'`]{0,3}"""

_PLACEHOLDER = re.compile(
    r"""(?ix) ^[x*.#•_-]+$ | ^<.*>?$ | ^\$[\w({] | ^%[\w(]|^\{\{? | ^\[.*\]?$
      | ^(?:your|my|the|a|an|some|new|old|current|user|dummy|example|sample|change|enter|insert|replace|redacted|masked|hidden|
           removed|none|null|nil|undefined|true|false|yes|no|required|optional|string|str|int|bool|bytes|text|todo|tbd|
           env|environ|os|process|config|settings|secrets?|self|this|request|args|params|ctx|get|read|load|fetch|input)
        (?:$|[\W_]) """
)
_CODE = re.compile(
    r"^[A-Za-z_][\w.]*(?:\(|\[)|^[a-z]+(?:[A-Z][a-z]+)+$|^[A-Za-z_]+(?:\.[A-Za-z_]+)+$|^[a-z]+(?:[_-][a-z]+)+$|^[A-Z]+(?:_[A-Z]+)+$"
)
MIN_ENTROPY = 2.5  # bits a character


def entropy(text: str) -> float:
    """Shannon's, in bits a character."""
    return -sum(n / len(text) * log2(n / len(text)) for n in map(text.count, set(text))) if text else 0.0


def looks_random(value: str) -> bool:
    """Whether a value that is named as a secret may be one, and is no placeholder, expression or word."""
    if _PLACEHOLDER.search(value) or _CODE.search(value):
        return False
    sorts = sum(bool(re.search(sort, value)) for sort in (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^A-Za-z0-9]"))
    return sorts >= 2 and entropy(value) >= MIN_ENTROPY  # noqa: PLR2004 - letters alone are words


def _value_after(name: str) -> re.Pattern[str]:
    return re.compile(name + _IS, re.ASCII | re.IGNORECASE)


_ASSIGNED = _value_after(rf"(?:{_NAMES})")


def _assigned(text: str) -> tuple[int, int] | None:
    name = _ASSIGNED.search(text)
    if name is None or not looks_random(text[name.end() :]):
        return None
    return name.end(), len(text)


def _in_url(text: str) -> tuple[int, int] | None:
    """The password in `scheme://user:password@`."""
    start = text.index(":", text.index("://") + 3) + 1
    password = text[start:-1]
    if _PLACEHOLDER.search(password) or password.lower() in ("password", "pass", "pwd", "secret"):
        return None
    return start, len(text) - 1


def _bearer(text: str) -> tuple[int, int] | None:
    start = max(text.rindex(" "), text.rindex("\t") if "\t" in text else 0) + 1
    value = text[start:]
    if _PLACEHOLDER.search(value) or not re.search(r"[0-9]", value) or entropy(value) < MIN_ENTROPY:
        return None
    return start, len(text)


def _aws_secret(text: str) -> tuple[int, int] | None:
    value = text[-40:]
    return (len(text) - 40, len(text)) if entropy(value) >= 4 else None  # noqa: PLR2004 - 40 characters of base64 have more


def _kind(name: str, doc: str, *forms: str) -> Kind:
    return Kind(name, SECRET, doc, "|".join(forms))


SECRETS: tuple[Kind, ...] = (
    _kind(
        "private-key",
        "A private key in PEM, OpenSSH's or PGP's form, up to its end line where that is there.",
        rf"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:{_BODY}|-[A-Za-z0-9])*(?:-----END [A-Z0-9 ]{{0,40}}-----)?",
        r"\bAGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
        r"PuTTY-User-Key-File-[23]: [^\n]{1,100}",
    ),
    _kind("aws-key", "The id of an AWS access key.", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    Kind(
        "aws-secret-key",
        SECRET,
        "The secret of an AWS access key, where it is named.",
        r"""(?i:aws_?secret|secret_?access_?key|aws_session)[A-Za-z_]{0,20}["']?[ \t]{0,4}[:=][ \t]{0,4}"""
        r"""["']?[A-Za-z0-9/+]{40}""",
        _aws_secret,
    ),
    _kind(
        "google-key",
        "An API key, OAuth token or client secret of Google's.",
        r"\bAIza[0-9A-Za-z_-]{35}",
        r"\bya29\.[0-9A-Za-z_-]{20,}",
        rf"\bGOCSPX-{_WORD}{{28}}",
    ),
    _kind(
        "azure-key",
        "A storage key, shared access signature or client secret of Azure's.",
        r"(?i:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{43,86}={1,2}",
        r"\bsig=[A-Za-z0-9%]{43,63}%3[dD]",
        r"\b[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}",
    ),
    _kind(
        "github-token",
        "A token of GitHub's.",
        r"\bgh[pousr]_[A-Za-z0-9]{36,}",
        r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    ),
    _kind("gitlab-token", "A token of GitLab's.", rf"\bgl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct)-{_WORD}{{20,}}"),
    _kind(
        "slack-token",
        "A token or webhook of Slack's.",
        r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
        r"\bxapp-\d-[A-Za-z0-9-]{10,}",
        r"\bhooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_+/-]{20,}",
    ),
    _kind(
        "stripe-key", "A secret key of Stripe's.", r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}", r"\bwhsec_[A-Za-z0-9+/=]{24,}"
    ),
    _kind(
        "llm-key",
        "An API key of a provider of language models (OpenAI, Anthropic, Hugging Face, ...).",
        rf"\bsk-(?:proj|svcacct|admin|None|ant-[a-z]{{2,8}}\d\d|or-v1|lf)-{_WORD}{{20,}}",
        r"\bsk-[A-Za-z0-9]{32,}",
        r"\bhf_[A-Za-z0-9]{30,}",
        r"\bgsk_[A-Za-z0-9]{40,}",
        r"\bpplx-[A-Za-z0-9]{40,}",
        r"\br8_[A-Za-z0-9]{37}",
        r"\bxai-[A-Za-z0-9]{60,}",
    ),
    _kind(
        "package-token",
        "A token of a package registry (npm, PyPI, RubyGems, Docker Hub, crates.io, NuGet).",
        r"\bnpm_[A-Za-z0-9]{36}",
        rf"\bpypi-AgE{_WORD}{{50,}}",
        r"\brubygems_[a-f0-9]{48}",
        rf"\bdckr_(?:pat|oat)_{_WORD}{{27,}}",
        r"\bcio[A-Za-z0-9]{32}\b",
        r"\boy2[a-z0-9]{43}\b",
    ),
    _kind(
        "service-token",
        "A token of another service with a form of its own (DigitalOcean, SendGrid, Twilio, Telegram, Vault, ...).",
        r"\bdo[opr]_v1_[a-f0-9]{64}",
        rf"\bSG\.{_WORD}{{22}}\.{_WORD}{{43}}",
        r"\bSK[0-9a-f]{32}\b",
        rf"\b\d{{8,10}}:AA{_WORD}{{33}}",
        rf"\bhv[sbr]\.{_WORD}{{24,}}",
        r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{40,}",
        r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
        rf"\bsq0(?:atp|csp)-{_WORD}{{22,43}}",
        r"\bdapi[a-f0-9]{32}",
        r"\bNRAK-[A-Z0-9]{27}",
        r"\bglsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}",
        r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}",
        rf"\bATATT3{_WORD}{{60,}}=[A-F0-9]{{8}}",
        r"\blin_(?:api|oauth)_[A-Za-z0-9]{32,}",
        r"\bsbp_[a-f0-9]{40}",
        rf"\bpscale_(?:tkn|pw|oauth)_{_WORD}{{32,}}",
        rf"\b[A-Za-z0-9]{{14}}\.atlasv1\.{_WORD}{{60,}}",
        rf"\bsntrys_{_WORD}{{40,}}",
        r"\bkey-[0-9a-f]{32}\b",
        r"\b[0-9a-f]{32}-us\d{1,2}\b",
        rf"\b[MNO][A-Za-z0-9_-]{{23,27}}\.{_WORD}{{6}}\.{_WORD}{{27,}}",
        rf"\bdiscord(?:app)?\.com/api/webhooks/\d{{17,20}}/{_WORD}{{60,}}",
        rf"\bfigd_{_WORD}{{40,}}",
        r"\bntn_[A-Za-z0-9]{40,}",
        r"\bsecret_[A-Za-z0-9]{43}\b",
    ),
    _kind(
        "jwt",
        "A JSON web token, signed or encrypted.",
        rf"\beyJ{_WORD}{{8,}}\.eyJ{_WORD}{{2,}}\.{_WORD}*",
        rf"\beyJ{_WORD}{{8,}}\.{_WORD}*\.{_WORD}{{8,}}\.{_WORD}{{8,}}\.{_WORD}{{8,}}",
    ),
    Kind(
        "url-password",
        SECRET,
        "The password in a URL or connection string such as `postgres://app:PASSWORD@db/app`.",
        r"""[a-z][a-z0-9+.-]{1,30}://[^ \t\r\n:/@'"<>`]{0,100}:[^ \t\r\n/@'"<>`]{1,200}@""",
        _in_url,
    ),
    Kind(
        "bearer-token",
        SECRET,
        "The credentials of an HTTP `Authorization`.",
        r"""(?i:\bbearer|authorization["']?[ \t]{0,2}[:=][ \t]{0,2}["']?(?:basic|token|bearer|apikey))"""
        r"""[ \t]{1,4}[A-Za-z0-9._~+/=-]{16,}""",
        _bearer,
    ),
    Kind(
        "password",
        SECRET,
        "A value that is named as a password, secret, key or token, and looks like one.",
        rf"""(?i:{_NAMES}){_IS}[^ \t\r\n"'`,;<>(){{}}]{{6,}}""",
        _assigned,
        certain=False,
    ),
)
