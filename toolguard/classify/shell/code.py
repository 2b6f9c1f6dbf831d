"""Code of other languages on a command line: what can be seen in it without reading the language."""

from __future__ import annotations

import re

# Of any language: what reaches for a shell, removes, writes, hides or sends.
_RUNS = re.compile(
    r"os\s*\.\s*(system|popen|exec\w*|spawn\w*)|subprocess|pty\s*\.\s*spawn|commands\.getoutput|child_process|execSync|spawnSync|"
    r"\bsystem\s*\(|\bsystem\s+[\"'q%]|\bexec\s*[\"'(]|`[^`\n]+`|%x[\[({]|Kernel\.|IO\.popen|Open3|os\.execute|io\.popen|shell_exec|passthru|"
    r"proc_open|popen\s*\(|Runtime\.getRuntime|ProcessBuilder|\bqx[/{(\[]|Deno\.(run|Command)|Bun\.spawn|run\(`|Process\.(run|start)|"
    r"\bshell\s*\(|:os\.cmd|System\.cmd|Invoke-Expression|\biex\b|Start-Process|ctypes|\bdlopen\b|ffi\b",
)
_REMOVES = re.compile(
    r"rmtree|os\s*\.\s*(remove|unlink|rmdir|removedirs|truncate|rename|replace|chmod|chown)|\.unlink\s*\(|unlinkSync|rmSync|rmdirSync|"
    r"\brmdir\b|\bunlink\b|FileUtils\.(rm|remove|mv)|File\.(delete|unlink|truncate)|Dir\.(delete|rmdir)|fs\.(rm|unlink|truncate|rename)|"
    r"truncateSync|Remove-Item|remove_tree|rmtree|removeSync|os\.remove|file\.remove|File\.rm|truncate\s*\(|Format-Volume|Clear-Disk|"
    r"dropDatabase|\.drop\s*\(|deleteMany\s*\(\s*\{\s*\}|remove\s*\(\s*\{\s*\}",
)
_WRITES = re.compile(
    r"open\s*\(\s*[^)]*,\s*(mode\s*=\s*)?[\"'][rb]*[wax+]|write_text|write_bytes|writeFile|appendFile|createWriteStream|"
    r"File\.(write|open\s*\([^)]*[\"'][wa])|IO\.write|file_put_contents|fopen\s*\([^)]*[\"'][wa]|\bopen\s*\(?[^;]*[\"']\s*>|"
    r"Set-Content|Out-File|Add-Content|shutil\.(copy|move)|copyFileSync|os\.symlink|os\.link|symlinkSync",
)
_HIDES = re.compile(
    r"base64|b64decode|fromhex|\bexec\s*\(|\beval\s*\(|compile\s*\(|__import__|getattr\s*\(\s*(os|sys|shutil|__builtins__)|importlib|"
    r"marshal|zlib\.decompress|codecs\.decode|chr\s*\(|String\.fromCharCode|atob\s*\(|pack\s*\(|unpack\s*\(\s*[\"']|instance_eval|"
    r"class_eval|new\s+Function|\bvm\.|Function\s*\(|FromBase64String|rot13|globals\s*\(\s*\)\s*\[|__builtins__|bytes\.fromhex|"
    r"-enc\b|assert\s*\(\s*\$|create_function|loadstring|(?<![.\w])load\s*\(",
)
_SENDS = re.compile(
    r"socket|requests\.(post|put|get)|urllib|urlopen|http\.client|httpx|aiohttp|Net::HTTP|fetch\s*\(|axios|XMLHttpRequest|open-uri|"
    r"LWP|IO::Socket|fsockopen|curl_exec|file_get_contents\s*\(\s*[\"']http|Invoke-WebRequest|Invoke-RestMethod|DownloadString|"
    r"smtplib|ftplib|paramiko|telnetlib|https?\.(get|request)",
)
_FORKS = re.compile(r"os\.fork|while\s*True.*fork|fork\s+while")
_READS_SECRETS = re.compile(
    r"\.ssh|id_rsa|\.aws|credentials|/etc/shadow|/etc/passwd|\.env\b(?!iron|\.example)|\.netrc|\.kube|secret|environ\b(?!\.get|\[)|"
    r"process\.env\s*\)|ENV\.to_h|\.npmrc|private_key|\.pgpass",
)


def seen_in(code: str) -> set[str]:
    """What a text of code may do: `runs`, `removes`, `writes`, `hides`, `sends`, `secrets`."""
    found = set()
    for name, pattern in (("runs", _RUNS), ("removes", _REMOVES), ("writes", _WRITES), ("hides", _HIDES), ("sends", _SENDS)):
        if pattern.search(code):
            found.add(name)
    if _READS_SECRETS.search(code):
        found.add("secrets")
    if _FORKS.search(code):
        found.add("runs")
    return found


# What makes awk and sed more than filters.
AWK_RUNS = re.compile(r"\bsystem\s*\(|\|\s*getline|\|&|print[^;}\n]*\|\s*[\"']|\bclose\s*\(.*\|")
AWK_WRITES = re.compile(r"print[^;}\n]*>>?\s*([\"'][^\"']*[\"']|\w+)")


def sed_runs(script: str) -> bool:
    """The `e` command, or the `e` flag of a substitution."""
    for part in re.split(r"[;\n}]", script):
        command = re.sub(
            r"^\s*(\d+|\$|/(?:[^/\\]|\\.)*/I?|\\(.).*?\2)?\s*(,\s*(\d+|\$|\+\d+|/(?:[^/\\]|\\.)*/))?\s*!?\s*\{?\s*", "", part
        )
        if re.match(r"e(\s|$)", command):
            return True
    return any(re.search(r"[gpIimM0-9]*e[gpIimM0-9]*\s*(;|\n|\}|$)", flags) for flags in _flags(script))


def sed_writes(script: str) -> list[str]:
    """The files that `w` and the `w` flag of a substitution write."""
    return re.findall(r"(?:^|[;\n{]\s*|/[gpIi]*)[wW]\s+(\S+)", script)


def sed_empties(script: str) -> bool:
    """It deletes every line."""
    return re.fullmatch(r"\s*(1,\$)?\s*d\s*;?\s*", script) is not None


def _flags(script: str) -> list[str]:
    """What stands behind each `s/.../.../`."""
    found = []
    for begun in re.finditer(r"(?:^|[;\n{}\s/\d$,])s([^\w\s\\;{}])", script):
        sign, at, seen = begun[1], begun.end(), 0
        while at < len(script) and seen < 2:  # noqa: PLR2004 - the two signs that end the pattern and the replacement
            if script[at] == "\\":
                at += 1
            elif script[at] == sign:
                seen += 1
            at += 1
        if seen == 2:  # noqa: PLR2004
            rest = re.match(r"[a-zA-Z0-9]*", script[at:])
            found.append(rest.group() if rest else "")
    return found
