"""Where a path lies, by its text: in the workspace, among temporary files, at home, in the system; and what lives there."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache

TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/private/tmp", "/private/var/folders")  # noqa: S108 - places to recognise
HARMLESS_DEVICES = frozenset(("null", "stdout", "stderr", "stdin", "tty", "zero", "random", "urandom", "full", "ptmx"))

# What is kept secret, or is run or obeyed later by somebody else. Of each the kind, and how its path looks (in lower case).
_SENSITIVE: tuple[tuple[str, str], ...] = (
    ("ssh", r"(^|/)\.ssh(/|$)|(^|/)(id_(rsa|dsa|ecdsa|ed25519)|authorized_keys|ssh_host_\w+_key)$|(^|/)etc/ssh/"),
    (
        "cloud",
        r"(^|/)(\.aws|\.azure|\.oci|\.kube|\.boto|\.s3cfg|\.config/gcloud|\.config/doctl)(/|$)|application_default_credentials",
    ),
    ("cloud", r"(^|/)(\.docker/config\.json|\.terraform\.d/credentials|\.terraformrc|kubeconfig|kubelet\.conf|admin\.conf)$"),
    (
        "env",
        r"(^|/)\.env(\.(?!example|sample|template|dist|defaults|test|ci)[\w.-]+)?$|(^|/)\.envrc$|(^|/)proc/(self|\d+)/environ$",
    ),
    (
        "keys",
        r"\.(pem|key|p12|pfx|jks|keystore|kdbx|ppk|asc|gpg)$|(^|/)\.(gnupg|password-store|pki)(/|$)|(^|/)private[._-]?key",
    ),
    (
        "keys",
        (
            r"(^|/)(\.netrc|_netrc|\.pgpass|\.my\.cnf|\.npmrc|\.pypirc|\.git-credentials|\.htpasswd|\.vault-token|\.cargo/credentials"
            r"(\.toml)?|\.gem/credentials|\.m2/settings(-security)?\.xml|\.config/gh/hosts\.yml|\.config/hub|\.authinfo(\.gpg)?)$"
        ),
    ),
    (
        "secret",
        r"(^|/)[\w.-]*(secrets?|credentials?|passwords?|passwd|token)(\.(txt|json|ya?ml|toml|ini|cfg|conf|dat|env|bak|csv|xml|properties))?$",
    ),
    (
        "system",
        r"(^|/)etc/(shadow|gshadow|sudoers|master\.passwd|security/opasswd)|(^|/)etc/sudoers\.d(/|$)|(^|/)var/run/secrets(/|$)",
    ),
    (
        "secret",
        r"(^|/)(terraform\.tfstate(\.backup)?|wp-config\.php|\.claude\.json|local_settings\.py|database\.yml|master\.key)$",
    ),
    ("system", r"(^|/)proc/([^/]+)/(environ|maps|mem|cmdline|fd|root|cwd|task)(/|$)"),
    ("keys", r"(^|/)id_(rsa|dsa|ecdsa|ed25519)$"),
    ("system", r"(^|/)run/secrets(/|$)|(^|/)(proc/kcore|dev/mem|dev/kmem|docker\.sock|containerd\.sock)$"),
    (
        "browser",
        r"(google-chrome|chromium|\.mozilla|firefox|bravesoftware|microsoft-edge|/safari)(/|$)|login data$|cookies(\.sqlite)?$",
    ),
    ("wallet", r"(^|/)(\.electrum|\.bitcoin|\.ethereum|\.solana|keystore)(/|$)|wallet\.dat$"),
    ("history", r"(^|/)\.(bash|zsh|python|psql|mysql|node_repl|sqlite)_history$"),
    ("keychain", r"(^|/)(library/keychains|\.local/share/keyrings)(/|$)"),
)
_OBEYED: tuple[tuple[str, str], ...] = (
    (
        "shell",
        (
            r"(^|/)(\.bashrc|\.bash_profile|\.bash_login|\.bash_logout|\.profile|\.zshrc|\.zshenv|\.zprofile|\.zlogin|\.kshrc|"
            r"\.config/fish/config\.fish|\.inputrc|\.xprofile|\.xinitrc)$|(^|/)etc/(profile|bash\.bashrc|environment|zsh)|(^|/)etc/profile\.d/"
        ),
    ),
    (
        "startup",
        r"(^|/)etc/(cron|init\.d|rc\.|systemd|ld\.so|hosts$|pam\.d|sudoers|passwd$|shadow$|group$)|(^|/)var/spool/cron|\.config/autostart/",
    ),
    ("startup", r"(^|/)(\.config/systemd/|library/launch(agents|daemons)/)|(^|/)usr/lib/systemd/"),
    ("git", r"(^|/)\.git/(hooks|config|info/attributes|modules/.*/hooks)(/|$)|(^|/)\.gitconfig$|(^|/)\.config/git/"),
    (
        "agent",
        (
            r"(^|/)\.(claude|cursor|codex|gemini|aider|continue|windsurf|vscode|devcontainer)/([\w./-]*/)?(settings[\w.-]*\.json|hooks?(/|\.|$)|"
            r"mcp[\w.-]*\.json|polic|permissions|config\.(toml|json|ya?ml)|tasks\.json|.*allow)(?![\w./-]*\.log$)|(^|/)\.(cursorrules|windsurfrules|mcp\.json)$"
        ),
    ),
    ("guard", r"(^|/)[\w.-]*toolguard[\w.-]*(\.ya?ml|\.db|\.db-seal|\.key)$|(^|/)\.toolguard(/|$)|\.db-seal$|\.db-halt$"),
    ("ssh", r"(^|/)\.ssh(/|$)|authorized_keys$"),
    (
        "package",
        r"(^|/)(\.npmrc|\.pypirc|\.pip/pip\.conf|pip\.conf|\.yarnrc(\.yml)?|\.cargo/config(\.toml)?|\.condarc|\.gemrc)$",
    ),
    ("python", r"(sitecustomize|usercustomize)\.py$|\.pth$"),
)
_SECRET = [(kind, re.compile(pattern)) for kind, pattern in _SENSITIVE]
_RUN = [(kind, re.compile(pattern)) for kind, pattern in _OBEYED]
_EXAMPLE = re.compile(
    r"(^|/)etc/passwd$|(cert|certificate|ca|chain|fullchain|public|pub|root|bundle)[\w-]*\.(pem|asc|gpg)$|(example|sample|template|dist|fixture|\.pub|known_hosts|\.tmpl|\.j2)$"
)

# What builds make and make again.
_GENERATED = re.compile(
    r"(^|/)(node_modules|bower_components|dist|build|_build|target|out|obj|__pycache__|\.pytest_cache|\.mypy_cache|\.ruff_cache|"
    r"\.tox|\.nox|\.venv|venv|\.cache|coverage|htmlcov|\.nyc_output|\.next|\.nuxt|\.turbo|\.parcel-cache|\.svelte-kit|\.gradle|"
    r"\.eggs|[\w.-]*\.egg-info|cmake-build-[\w-]+|debug|release|tmp|temp|logs?|\.terraform|\.serverless|\.dart_tool|\.expo|"
    r"[\w.]*(dist|build|artifacts?|output|upload|coverage|tmp|temp|cache|smoke)[-_][\w.-]*|[\w.]+[-_](dist|build|artifacts?|output|upload|coverage|cache|tmp)|public/build|storybook-static|test-results|playwright-report|artifacts?|\.output|bin|wheelhouse|site|_site|\.hypothesis|"
    r"\.docusaurus|\.angular|\.vite|deriveddata|pods|\.stack-work|dist-newstyle|zig-cache|zig-out|\.import_linter_cache)(/|$)|"
    r"\.(pyc|pyo|o|obj|class|log|tmp|temp|bak|swp|orig|rej|pid|sock|cache|coverage|tsbuildinfo|gcda|gcno|gcov|tar|tgz|gz|bz2|xz|zip|deb|rpm|"
    r"whl|jar|dmg|pkg|iso|img|out|prof|so|dll|dylib|a|exe|elc|aux|toc|lock)$|(^|/)(\.coverage[\w.]*|\.ds_store|thumbs\.db|nohup\.out|core)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the host program says of the world: absolute paths, in the form of POSIX."""

    workspace: str | None = None
    home: str | None = None


def place_of(path: str, around: Surroundings) -> str:
    """`workspace`, `tmp`, `device`, `home`, `system` or `outside`, for an absolute path; `unknown` for a relative one."""
    if not path.startswith("/"):
        return "unknown"
    path = clean(path)
    if around.workspace not in (None, "/") and is_below(path, around.workspace):
        return "workspace"
    temporary = any(is_below(path, each) and path != each for each in TEMPORARY)
    if temporary and not any(each and is_below(each, path) for each in (around.workspace, around.home)):
        return "home" if around.home and around.home not in TEMPORARY and is_below(path, around.home) else "tmp"
    if path.startswith("/dev/"):
        name = path[5:]
        return "null" if name in HARMLESS_DEVICES or name.startswith(("fd/", "tcp/", "udp/", "pts/")) else "device"
    if around.home and is_below(path, around.home):
        return "home"
    if re.match(r"/(home|Users)/[^/]+(/|$)|/root(/|$)", path):
        return "home"
    return "system" if _SYSTEM.match(path) and not _LOCAL.match(path) else "outside"


# The system's own places, less those where programs are put by hand and where caches lie.
_SYSTEM = re.compile(
    r"/$|/(etc|usr|bin|sbin|lib\w*|boot|proc|sys|var|root|System|Library|Applications|Windows|dev|run)(/|$)", re.IGNORECASE
)
_LOCAL = re.compile(
    r"/(usr/(local|src|share)|var/(cache|log|lib/(?!dpkg|systemd)|www|opt|run)|run/(?!systemd)|etc/(apt|nginx|docker|apk|yum\.repos\.d|otelcol))(/|$)"
)
_CACHES = re.compile(
    r"/(var/lib/apt/lists|var/cache|usr/share/(doc|man|locale)|var/log|root/\.(cache|npm|cargo|pip))(/|$)|/\.(cache|npm/_cacache)(/|$)"
)


def is_cache(path: str) -> bool:
    """Made again by a package manager, wherever it lies."""
    return _CACHES.search(path) is not None


def is_below(path: str, folder: str) -> bool:
    """The folder itself, or something in it."""
    folder = clean(folder)
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def clean(path: str) -> str:
    """Without `.`, `..` and doubled slashes, by the text alone."""
    return "/" + posixpath.normpath(path).lstrip("/") if path.startswith("/") else posixpath.normpath(path)


@lru_cache(maxsize=2048)
def secret_kind(path: str) -> str | None:
    """What kind of secret lives there, None if nothing says so."""
    lowered = path.lower().rstrip("/")
    if _EXAMPLE.search(lowered):
        return None
    return next((kind for kind, pattern in _SECRET if pattern.search(lowered)), None)


@lru_cache(maxsize=2048)
def obeyed_kind(path: str) -> str | None:
    """Who runs or obeys it later (shells, git, the system at start, agents, the guard), None if nobody is known to."""
    lowered = path.lower().rstrip("/")
    return next((kind for kind, pattern in _RUN if pattern.search(lowered)), None)


def is_generated(path: str) -> bool:
    """A build or a tool makes it again."""
    return _GENERATED.search(path) is not None
