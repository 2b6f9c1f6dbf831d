"""Personal data: numbers that stand for people and their accounts, mostly with check digits, and how to reach them."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from toolguard.classify.sensitive import checksums as check
from toolguard.classify.sensitive.kinds import PERSONAL, Kind, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    Test = Callable[[str], bool]

# Lengths of IBANs by country (SWIFT's registry).
_IBAN = {
    country: int(length)
    for length, countries in (
        line.split(maxsplit=1)
        for line in """15 NO
16 BE
18 DK FI FK FO GL NL SD
19 MK SI
20 AT BA EE KZ LT LU MN XK
21 CH HR LI LV
22 BG BH CR DE GB GE IE ME RS VA
23 AE GI IL IQ OM SO TL
24 AD CZ ES MD PK RO SA SE SK TN VG
25 LY PT ST
26 IS TR
27 BI DJ FR GR IT MC MR SM
28 AL AZ BY CY DO GT HN HU LB NI PL SV
29 BR EG PS QA UA
30 JO KW MU YE
31 MT SC
32 LC
33 RU""".splitlines()
    )
    for country in countries.split()
}
_CARDS = re.compile(
    r"4(?:\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}"  # Diners Club
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}(?:\d{3})?"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|62\d{14,17}|81[0-7]\d{13}"  # UnionPay
    r"|(?:50[1-9]\d|5[6-8]\d\d|63\d\d|67\d\d)\d{12,15}"  # Maestro
)
_FILES = ("png", "jpg", "jpeg", "gif", "svg", "webp", "js", "css", "html", "json")


def _card(text: str) -> bool:
    number = check_digits(text)
    return bool(_CARDS.fullmatch(number)) and len(set(number)) > 1 and check.luhn(number)


def _card_in(text: str) -> tuple[int, int] | None:
    """The number, without the three digits behind it where they are a security code and not a part of it."""
    if _card(text):
        return 0, len(text)
    number = re.sub(r"(?<=[0-9])[ -][0-9]{3}$", "", text)
    return (0, len(number)) if _card(number) else None


def _iban(text: str) -> tuple[int, int] | None:
    length = _IBAN.get(text[:2])
    if length is None:
        return None
    end = taken = 0
    for end, each in enumerate(text, 1):  # noqa: B007 - where it stops
        taken += each not in " -"
        if taken == length:
            break
    bare = re.sub(r"[ -]", "", text[:end])
    fits = taken == length and not text[end : end + 1].isalnum() and check.mod_97(bare)
    return (0, end) if fits else None


def _ssn(text: str) -> bool:
    area, group, serial = text[:3], text[4:6], text[7:]
    if area.startswith("9"):  # taxpayers without a social security number
        return int(group) in {*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)} and serial != "0000"
    return area not in ("000", "666") and group != "00" and serial != "0000" and text[3] == text[6]


def _last_number(text: str, test: Test, length: int = 0) -> tuple[int, int] | None:
    """The number behind what names it, of so many digits."""
    found = re.search(r"[0-9](?:[ .-]?[0-9])*$", text)
    bare = check_digits(found[0]) if found is not None else ""
    return found.span() if found is not None and len(bare) == (length or len(bare)) and test(bare) else None


def _named(names: str, number: str) -> str:
    """A number that means nothing by itself: its name stands before it, and little in between."""
    return rf"""\b(?i:{names})\b[^0-9\r\n]{{0,24}}{number}\b"""


def _nir(text: str) -> bool:
    bare = re.sub(r"[ .]", "", text).upper()
    number = int(bare[:13].replace("2A", "19").replace("2B", "18"))
    return 97 - number % 97 == int(bare[13:])


def _nhs(text: str) -> tuple[int, int] | None:
    """Not the end of a telephone number."""
    rest = 11 - check.weighted(text[:11], (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return (0, 0) if text.startswith("+") else (0, len(text)) if rest % 11 == int(text[-1]) and rest != 10 else None  # noqa: PLR2004


def check_digits(text: str) -> str:
    """Only the digits."""
    return re.sub(r"\D", "", text)


def _nino(text: str) -> bool:
    prefix = text[:2].upper()
    return not set(prefix) & set("DFIQUV") and prefix[1] != "O" and prefix not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _dni(text: str) -> bool:
    bare = re.sub(r"[ -]", "", text).upper()
    number = int(bare[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] == bare[-1]


def _steuer_id(text: str) -> bool:
    number = check_digits(text)
    counts = sorted((number[:10].count(each) for each in set(number[:10])), reverse=True)
    return number[0] != "0" and counts[0] in (2, 3) and set(counts[1:]) == {1} and check.mod_11_10(number)


def _pesel(text: str) -> bool:
    century, month = divmod(int(text[2:4]), 20)
    year = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}[century] + int(text[:2])
    fits = check.weighted(text[:10], (1, 3, 7, 9)) + int(text[10])
    return fits % 10 == 0 and check.is_day(year, month, int(text[4:6]))


def _personnummer(text: str) -> bool:
    bare = check_digits(text)[-10:]
    day = int(bare[4:6])
    return check.is_short_day(f"{bare[:4]}{day - 60 if day > 60 else day:02}") and check.luhn(bare)  # noqa: PLR2004 - see its rules


def _hetu(text: str) -> bool:
    day, month, number = int(text[:2]), int(text[2:4]), int(text[:6] + text[7:10])
    return check.is_short_day(f"{text[4:6]}{month:02}{day:02}") and "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == text[10]


def _fnr(text: str) -> bool:
    bare = check_digits(text)
    day = int(bare[:2])
    born = f"{bare[4:6]}{bare[2:4]}{day - 40 if day > 40 else day:02}"  # noqa: PLR2004 - D-numbers
    return check.is_short_day(born) and check.fodselsnummer(bare)


def _rijksregister(text: str) -> bool:
    bare = check_digits(text)
    number, rest = int(bare[:9]), int(bare[9:])
    return check.is_short_day(bare[:6]) and rest in (97 - number % 97, 97 - (2 * 10**9 + number) % 97)


def _rrn(text: str) -> bool:
    bare = check_digits(text)
    return check.is_short_day(bare[:6]) and (11 - check.weighted(bare[:12], (2, 3, 4, 5, 6, 7, 8, 9)) % 11) % 10 == int(
        bare[12]
    )


def _curp(text: str) -> bool:
    return check.is_short_day(text[4:10]) and check.curp(text)


_AADHAAR = len("1234 1234 1234")


def _aadhaar(text: str) -> tuple[int, int] | None:
    """Three groups, or several times three that are all of them numbers; other groups are a card's or something else's."""
    if not text[0].isdigit():
        return _last_number(text, check.verhoeff)
    numbers = [text[at : at + _AADHAAR] for at in range(0, len(text), _AADHAAR + 1)]
    fit = all(len(each) == _AADHAAR and each[0] >= "2" and check.verhoeff(check_digits(each)) for each in numbers)
    return (0, _AADHAAR if fit else 0)


def _resident(text: str) -> bool:
    return check.is_day(int(text[6:10]), int(text[10:12]), int(text[12:14])) and check.resident_id(text)


def _south_african(text: str) -> bool:
    return check.is_short_day(text[:6]) and text[10] in "012" and check.luhn(text)


def _ahv(text: str) -> bool:
    return (check.weighted(check_digits(text), (1, 3))) % 10 == 0


def _codice(text: str) -> bool:
    return check.codice_fiscale(text.upper())


def _email(text: str) -> tuple[int, int] | None:
    """Not the user of a URL or of SSH, and not the name of a file."""
    local, _, host = text.rpartition("@")
    if text.startswith("//") or local == "git" or host.rpartition(".")[2].lower() in _FILES:
        return 0, 0
    return None if ".." in text else (0, len(text))


def _phone(text: str) -> bool:
    return 8 <= len(check_digits(text)) <= 15  # noqa: PLR2004 - ITU-T E.164


def _id(name: str, doc: str, pattern: str, test: Test) -> Kind:
    return Kind(name, PERSONAL, doc, pattern, whole(test))


PERSONALS: tuple[Kind, ...] = (
    Kind(
        "card-number",
        PERSONAL,
        "The number of a payment card, with its check digit, of an issuer there is.",
        r"\b(?:\d{14,19}|(?:\d{4}[ -]){3}\d{4}(?:[ -]\d{3})?|\d{4}[ -]\d{6}[ -]\d{4,5})\b",
        _card_in,
    ),
    Kind("iban", PERSONAL, "An international bank account number.", r"\b[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]){11,30}\b", _iban),
    _id("us-ssn", "United States: a social security or taxpayer number in its usual form.", r"\b\d{3}-\d\d-\d{4}\b", _ssn),
    Kind(
        "us-ssn-named",
        PERSONAL,
        "The same in nine digits, or parted by blanks, where it is named.",
        _named(r"ssn|social security(?: number| no)?", r"\d{3} ?\d\d ?\d{4}"),
        lambda text: _last_number(text, lambda bare: _ssn(f"{bare[:3]}-{bare[3:5]}-{bare[5:]}"), 9),
    ),
    _id(
        "uk-nino",
        "United Kingdom: a national insurance number.",
        r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]\b",
        _nino,
    ),
    Kind(
        "uk-nhs",
        PERSONAL,
        "United Kingdom: an NHS number in its usual form.",
        r"(?:\+\d{1,3}[ .-]|\b)\d{3} \d{3} \d{4}\b",
        _nhs,
    ),
    _id(
        "fr-nir",
        "France: a social security number.",
        r"\b[12] ?\d\d ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d\d|2[ABab]) ?\d{3} ?\d{3} ?\d\d\b",
        _nir,
    ),
    Kind(
        "de-tax-id",
        PERSONAL,
        "Germany: a tax identification number, parted in its usual way or named.",
        r"\b[1-9]\d \d{3} \d{3} \d{3}\b|" + _named(r"steuer-?id(?:nr|entifikationsnummer)?|idnr|tin|tax id", r"[1-9]\d{10}"),
        partial(_last_number, test=_steuer_id, length=11),
    ),
    _id(
        "es-dni", "Spain: an identity number of a national or a resident.", r"\b(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z]\b", _dni
    ),
    _id(
        "it-codice-fiscale",
        "Italy: a tax code.",
        r"\b[A-Z]{6}\d[0-9LMNP-V][A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]\b",
        _codice,
    ),
    Kind(
        "nl-bsn",
        PERSONAL,
        "The Netherlands: a citizen service number, where it is named.",
        _named(r"bsn|burgerservicenummer|sofi(?:nummer)?", r"\d{9}"),
        lambda text: _last_number(text, lambda bare: check.weighted(bare, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0),
    ),
    Kind(
        "pl-pesel",
        PERSONAL,
        "Poland: a PESEL, where it is named.",
        _named("pesel", r"\d{11}"),
        partial(_last_number, test=_pesel),
    ),
    _id("se-personnummer", "Sweden: a personal identity number.", r"\b(?:19|20)?\d{6}[-+]\d{4}\b", _personnummer),
    _id("fi-hetu", "Finland: a personal identity code.", r"\b\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]\b", _hetu),
    _id("no-fnr", "Norway: a national identity number.", r"\b\d{6} ?\d{5}\b", _fnr),
    _id(
        "be-rijksregister",
        "Belgium: a national register number.",
        r"\b\d\d\.?\d\d\.?\d\d[ -]?\d{3}[. -]?\d\d\b",
        _rijksregister,
    ),
    _id("ch-ahv", "Switzerland: a social security number.", r"\b756\.?\d{4}\.?\d{4}\.?\d\d\b", _ahv),
    _id("br-cpf", "Brazil: a CPF in its usual form.", r"\b\d{3}\.\d{3}\.\d{3}-\d\d\b", check.cpf),
    Kind(
        "br-cpf-named",
        PERSONAL,
        "The same in eleven digits, where it is named.",
        _named(r"cpf", r"\d{11}"),
        partial(_last_number, test=check.cpf, length=11),
    ),
    _id("mx-curp", "Mexico: a CURP.", r"\b[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d\b", _curp),
    Kind(
        "ca-sin",
        PERSONAL,
        "Canada: a social insurance number, where it is named.",
        _named(r"sin|social insurance(?: number)?", r"[1-9]\d\d[ -]?\d{3}[ -]?\d{3}"),
        partial(_last_number, test=check.luhn),
    ),
    Kind(
        "au-tfn",
        PERSONAL,
        "Australia: a tax file number, where it is named.",
        _named(r"tfn|tax file(?: number)?", r"\d{3} ?\d{3} ?\d{3}"),
        lambda text: _last_number(text, lambda bare: check.weighted(bare, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0),
    ),
    Kind(
        "in-aadhaar",
        PERSONAL,
        "India: an Aadhaar number, parted in its usual way or named.",
        r"\b\d{4}(?: \d{4}){2,8}\b|" + _named(r"aadhaar|aadhar|uidai?", r"[2-9]\d{11}"),
        _aadhaar,
    ),
    _id("cn-resident-id", "China: a resident identity number.", r"\b[1-9]\d{5}(?:19|20)\d{9}[0-9Xx]\b", _resident),
    _id("kr-rrn", "Korea: a resident registration number.", r"\b\d{6}-\d{7}\b", _rrn),
    Kind(
        "za-id",
        PERSONAL,
        "South Africa: an identity number, where it is named.",
        _named(r"(?:rsa |sa |south african )?id(?:entity)?(?: (?:number|no))?|id_number", r"\d{13}"),
        partial(_last_number, test=_south_african),
    ),
    Kind(
        "tr-kimlik",
        PERSONAL,
        "Turkey: an identity number, where it is named.",
        _named(r"tckn|tc(?: kimlik)?(?: no)?|kimlik(?: no)?", r"[1-9]\d{10}"),
        partial(_last_number, test=check.kimlik),
    ),
    Kind(
        "email",
        PERSONAL,
        "An e-mail address.",
        r"(?://[^ \t\r\n/@]{0,200}|\b[A-Za-z0-9][A-Za-z0-9._%+-]{0,63})"
        r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,8}[A-Za-z]{2,24}\b",
        _email,
    ),
    Kind(
        "phone",
        PERSONAL,
        "A telephone number with its country code, or in the usual form of North America.",
        r"\+[1-9]\d{0,2}(?:[ .-]?\(\d{1,5}\))?(?:[ .-]?\d){6,13}\b"
        r"|\(\d{3}\) ?\d{3}[-. ]\d{4}\b|\b[2-9]\d\d[-.][2-9]\d\d[-.]\d{4}\b",
        whole(_phone),
        certain=False,
    ),
)
