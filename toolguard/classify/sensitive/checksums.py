"""The check digits of numbers that stand for people and accounts. Each function takes the bare characters.

Sources: ISO/IEC 7812-1 (Luhn), ISO 7064 (the modulus systems), ISO 13616 (IBAN), and the offices that give the numbers out.
`tests/test_sensitive.py` compares them with python-stdnum.
"""

from __future__ import annotations

from datetime import date
from itertools import cycle

_VERHOEFF_ROW = ((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4))
_FISCAL_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            2,
            4,
            18,
            20,
            11,
            3,
            6,
            8,
            12,
            14,
            16,
            10,
            22,
            25,
            24,
            23,
        ),
        strict=True,
    )
)


def digits(text: str) -> list[int]:
    """The digits of a text, as numbers."""
    return [int(each) for each in text if each.isdigit()]


def luhn(text: str) -> bool:
    """Every second digit from the right doubled, the digits of all of them sum up to a multiple of ten."""
    right = digits(text)[::-1]
    return (sum(right[::2]) + sum(sum(divmod(2 * each, 10)) for each in right[1::2])) % 10 == 0


def verhoeff(text: str) -> bool:
    """The dihedral group's check digit (Aadhaar)."""
    check = 0
    for place, digit in enumerate(reversed(digits(text))):
        for _ in range(place % 8):
            digit = _VERHOEFF_ROW[1][digit]  # noqa: PLW2901 - the permutation, as often as the place says
        check = _dihedral(check, digit)
    return check == 0


def _dihedral(left: int, right: int) -> int:
    if left < 5:  # noqa: PLR2004 - rotations below, reflections above
        return (left + right) % 5 if right < 5 else 5 + (left + right) % 5  # noqa: PLR2004
    return 5 + (left - right) % 5 if right < 5 else (left - right) % 5  # noqa: PLR2004


def weighted(text: str, weights: tuple[int, ...]) -> int:
    """The sum of the digits, each times its weight."""
    return sum(digit * weight for digit, weight in zip(digits(text), cycle(weights), strict=False))


def mod_97(text: str) -> bool:
    """Letters as numbers from 10 on, the first four characters at the end: 1 is left when it is divided by 97 (IBAN)."""
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1


def mod_11_10(text: str) -> bool:
    """ISO 7064's hybrid system (German tax numbers)."""
    product = 10
    *body, check = digits(text)
    for digit in body:
        product = (digit + product) % 10 or 10
        product = product * 2 % 11
    return (11 - product) % 10 == check


def is_day(year: int, month: int, day: int) -> bool:
    """Whether there is such a day in the calendar."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def is_short_day(yymmdd: str) -> bool:
    """Whether it is a day in some century."""
    year, month, day = int(yymmdd[:2]), int(yymmdd[2:4]), int(yymmdd[4:6])
    return is_day(1900 + year, month, day) or is_day(2000 + year, month, day)


def codice_fiscale(text: str) -> bool:
    """Italy: the characters at odd places by a table, those at even ones by their order."""
    odd = sum(_FISCAL_ODD[each] for each in text[0:15:2])
    even = sum(int(each) if each.isdigit() else ord(each) - ord("A") for each in text[1:15:2])
    return chr(ord("A") + (odd + even) % 26) == text[15]


def cpf(text: str) -> bool:
    """Brazil: two check digits, and not all digits the same."""
    number = digits(text)
    if len(set(number)) == 1:
        return False
    for length in (9, 10):
        rest = sum(digit * weight for digit, weight in zip(number, range(length + 1, 1, -1), strict=False)) * 10 % 11 % 10
        if rest != number[length]:
            return False
    return True


def fodselsnummer(text: str) -> bool:
    """Norway: two check digits."""
    first, second = weighted(text[:10], (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)), weighted(text, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
    return first % 11 == 0 and second % 11 == 0


def kimlik(text: str) -> bool:
    """Turkey: two check digits."""
    number = digits(text)
    tenth = (7 * sum(number[0:9:2]) - sum(number[1:8:2])) % 10
    return number[0] != 0 and number[9] == tenth and number[10] == sum(number[:10]) % 10


def curp(text: str) -> bool:
    """Mexico: letters and digits by their place in an alphabet with an N that has a tilde."""
    alphabet = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    total = sum(alphabet.index(each) * (18 - place) for place, each in enumerate(text[:17]))
    return str((10 - total % 10) % 10) == text[17]


def resident_id(text: str) -> bool:
    """China: ISO 7064's mod 11-2."""
    total = sum(int(each) * pow(2, 17 - place, 11) for place, each in enumerate(text[:17]))
    return "10X98765432"[total % 11] == text[17].upper()
