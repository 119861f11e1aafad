"""Weak labels: patterns of words that speak for a kind of news. They teach the classifier; they never judge it."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from tenor.kinds import KINDS

_MOVES = (
    r"rise|rises|rose|rall(?:y|ies|ied)|gains?|gained|jump(?:s|ed)?|surg(?:es?|ed)|soars?|soared|"
    r"climb(?:s|ed)?|"
    r"falls?|fell|slip(?:s|ped)?|slid(?:es?)?|drop(?:s|ped)?|declin(?:es?|ed)|tumbl(?:es?|ed)|"
    r"plung(?:es?|ed)|sinks?|"
    r"plummets?|tanks?|crash(?:es|ed)?|spikes?|zooms?|dips?|up|down|higher|lower|advances?|rebounds?|"
    r"ends?|closes?"
)
PATTERNS: dict[str, str] = {
    "earnings": (
        r"\bearnings\b|\beps\b|\bq[1-4]\b|\b[1-4]q\b|\bguidance\b|\bresults?\b(?! in)|net (?:profit|loss|"
        r"income|sales)|"
        r"\bnet (?:up|down|jumps|rises|falls|dips|drops|soars|zooms|at rs)|quarterly|"
        r"\bquarter(?:'s)? (?:profit|loss|revenue|sales)|"
        r"profit (?:up|down|rises|rose|falls|fell|jumps|drops|warning|outlook|forecast)|\b(?:beats?|"
        r"miss(?:es)?) (?:on|estimates|by|expectations|forecasts?)|"
        r"\bcomps\b|same-store sales|operating profit|\bebitda?\b|pre-?tax profit|full-year (?:profit|"
        r"outlook|forecast)|turnover (?:rose|fell)"
    ),
    "analyst": (
        r"\bup(?:graded?|grades)\b|\bdowngrad(?:ed?|es)\b|price target|\btarget (?:of|price|raised|cut)\b|"
        r"\bpt\b.{0,12}\d|\banalysts?\b|"
        r"\b(?:initiat|reiterat|maintain)\w+\b.{0,30}\b(?:at|as|buy|hold|sell|coverage|neutral|outperform|"
        r"overweight)\b|"
        r"\b(?:outperform|underperform|overweight|underweight|equal[- ]weight|market perform)\b|"
        r"\b(?:buy|sell|hold) (?:call|rating)\b|conviction list|\bbrokerages?\b|credit ratings? (?:cut|"
        r"raised|affirmed)|"
        r"^(?:buy|sell|hold|accumulate|bullish on|bearish on|prefer|avoid|positive on|exit)\b.*: \S+ \S+"
    ),
    "merger": (
        r"\bacqui(?:re[sd]?|ring|sitions?)\b|\bmerg(?:er?s?|ing|es)\b|\btakeovers?\b|\bbuyouts?\b|"
        r"\bto buy (?:stake|rival|[A-Z])|\bbids? for\b|"
        r"\bstake (?:in|sale)\b|\b(?:buys?|sells?|sold|raises?|picks? up) (?:\S+ ){0,4}stake|"
        r"\bspin[- ]?(?:off|out)\b|\bdivest\w*|\bm&a\b|"
        r"\btender offer for\b|take\w* private|strategic alternatives|\bdemerg\w+"
    ),
    "product": (
        r"\blaunch(?:es|ed|ing)?\b(?! (?:equity|offering))|\bunveil(?:s|ed)?\b|\biphones?\b|\bipads?\b|"
        r"\bapple watch\b|\bmacbook\b|\brecalls?\b|"
        r"\b(?:rolls?|rolled) out\b|\bphase (?:[123]|i{1,3})\b|\bclinical\b|\btrial (?:data|results|"
        r"failure)\b|\bnew (?:app|phone|product|drug|model|feature|version|chip)\b|"
        r"\bintroduc(?:es|ed|ing)\b|\bapp store\b|\bprototype\b|\bfda (?:approv\w+|nod|clear\w+|rejects)|"
        r"\bbeta\b.{0,20}\b(?:release|version)"
    ),
    "legal": (
        r"\blawsuits?\b|\bsu(?:es|ed|ing)\b|\bcourts?\b|\bjudges?\b|\bjury\b|\bsettle(?:s|ment|"
        r"d)?\b(?! (?:at|higher|lower|up|down))|\bantitrust\b|"
        r"\bprobes?\b|\binvestigat\w+|\bfin(?:ed|es)\b \S|\bregulators?\b|\bfda\b|\bsebi\b|\bban(?:s|"
        r"ned)?\b|\bfraud\b|\bpatents?\b|\bdoj\b|\bsec charges\b|\bclass action\b|"
        r"\bbankruptcy\b|\bchapter 11\b|\bfaa\b|\bft?c\b|\blicen[cs]e\b|\bindict\w+|\bguilty\b|\bsubpoena\w*"
    ),
    "payout": (
        r"\bdividends?\b|\bbuy-?backs?\b|\bbuy back\b|\brepurchas\w+|\bex-?div\b|\bdivi\b|\bpayout\b"
    ),
    "macro": (
        r"\bfed\b|\bfomc\b|\becb\b|\brbi\b|\bboj\b|\bcentral banks?\b|\binflation\b|\bgdp\b|\bcpi\b|"
        r"\bpmi\b|\bjobs (?:data|report)\b|\bpayrolls?\b|\bunemployment\b|"
        r"\bjobless\b|\brate (?:cut|hike)s?\b|\binterest rates?\b|\brepo rate\b|\bbond yields?\b|"
        r"\btreasur(?:y|ies) (?:yields?|prices|secretary)\b|\b(?:us |the )?dollar\b(?! general| tree)|"
        r"\brupee\b|\byuan\b|\byen\b|\bsterling\b|\beuro(?:s|zone)?\b|\boil (?:prices?|rises|falls|edges|"
        r"slips|markets?)\b|\bcrude\b|\bbrent\b|\bopec\b|\bgold\b(?!man)|\bsilver\b|"
        r"\bcopper\b|\bpalladium\b|\btariffs?\b|\btrade (?:war|deal|talks|deficit|data)\b|\brecession\b|"
        r"\beconom(?:y|ic|ists?)\b|\bbrexit\b|\bbudget\b|\bstimulus\b|"
        r"\bfutures (?:gain|fall|weaken|down|up|extend|decline|ease|slip|rise)|\bcoronavirus\b|"
        r"\bpandemic\b|\bmonsoon\b|\belections?\b|\bwheat\b|\bsoya\b|\bchana\b|\bnatural gas\b"
    ),
    "management": (
        r"\bceo\b|\bcfo\b|\bcoo\b|\bchief (?:executive|financial|operating|technology)\b|\bchairman\b|"
        r"\bmanaging director\b|\bboard of directors\b|"
        r"\bappoint(?:s|ed|ment)?\b|\bsteps? down\b|\bresign\w*|\bnames? \S+ \S+ (?:as|to)\b|"
        r"\bexecutives? (?:leaves?|quits?|exodus)|\bquits\b|\bsuccessor\b"
    ),
    "price": (
        rf"\b(?:shares?|stocks?|sensex|nifty|nasdaq|dow|s&p(?: 500)?|ftse|nikkei|index|wall street|"
        rf"markets?)\b.{{0,30}}\b(?:{_MOVES})\b|"
        rf"\b(?:{_MOVES})\b.{{0,8}}\d+(?:\.\d+)?(?: ?%| per ?cent| pc)(?! (?:to|at) rs)|52[- ]week|"
        rf"all-time high|\brecord (?:high|low|close)|"
        r"\b(?:calls?|puts?)\b.{0,20}\b\d|\$[a-z]+ (?:short|long)\b|\bbreak(?:out|ing out|down)\b|"
        r"\bsupport\b.{0,15}\d|\bresistance\b|\bchart\b|\bstop ?loss\b|"
        r"\boversold\b|\boverbought\b|\bpre-?market\b|\bbullish\b|\bbearish\b|\bshort(?:s|ing|"
        r" squeeze)?\b|\bgapp(?:ed|ing)\b|\bvolume\b|\bstocks? to (?:watch|buy)\b"
    ),
}  # fmt: skip
_COMPILED = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in PATTERNS.items()}
# lists of tickers with an advertisement: they hold the words of a kind and are about nothing
_EMPTY = re.compile(
    r"(?:stock forum|message board|last trade|prev close|current price|company info|market cap|"
    r"ex-div date|p/e ratio|bid size|filings|e\.p\.s\.|dividend|"
    r"exchange|volume|financials|summary|day low|investor opinions|short sales)\s+(?:click here|\$)|"
    r"newsletter|are you (?:investing|looking|thinking|bullish)|(?:best|great) (?:#?stock|"
    r"#?pennystock|research)",
    re.IGNORECASE,
)


def weak_labels(text: str) -> npt.NDArray[np.int8]:
    """0 or 1 for each of `KINDS`, ``[9]``, by the patterns alone."""
    if _EMPTY.search(text):
        return np.zeros(len(KINDS), np.int8)
    return np.array([bool(_COMPILED[kind].search(text)) for kind in KINDS], np.int8)
