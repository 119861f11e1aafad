"""Denials: a sentence that denies something is reworded, because the encoder sees the words but misses the negation.

Bad news that is denied becomes the word ``change``. Bad news that could not be prevented, or is not ruled out, is
stated without the negation. Growth that is over, or was less than expected, becomes ``weaker``.
"""

from __future__ import annotations

import re

# All forms are written out: a stem would take "shortly" for "short". Words that are bad or good news by their object
# ("cut" of jobs or costs, "narrow" of margins or losses) are here too: denied, they are no bad news either way.
_VERBS = (
    "fall falls falling fallen fell drop drops dropping dropped decline declines declining declined decrease "
    "decreases decreasing decreased shrink shrinks shrinking shrunk shrank weaken weakens weakening weakened "
    "slump slumps slumping slumped slide slides sliding slid plunge plunges plunging plunged tumble tumbles "
    "tumbling tumbled sink sinks sinking sunk lose loses losing lost cut cuts cutting lower lowers lowering "
    "lowered reduce reduces reducing reduced narrow narrows narrowing narrowed close closes closing closed shut "
    "shuts shutting delay delays delaying delayed hurt hurts hurting hit hits hitting harm harms harming harmed "
    "damage damages damaging damaged threaten threatens threatening threatened suffer suffers suffering suffered "
    "worsen worsens worsening worsened deteriorate deteriorates deteriorating deteriorated disappoint disappoints "
    "disappointing disappointed default defaults defaulting defaulted affect affects affecting affected breach "
    "breaches breaching breached violate violates violating violated leave leaves leaving slow slows slowing "
    "slowed struggle struggles struggling struggled suspend suspends suspending suspended scrap scraps scrapping "
    "scrapped halve halves halving halved downgrade downgrades downgraded slash slashes slashing slashed miss "
    "misses missing missed burn burns burning burned inflated dip dips dipping dipped soften softens softening "
    "softened contracting contracted collapse collapses collapsing collapsed erode erodes eroding eroded axe "
    "axing axed"
)
_NOUNS = (
    "fall falls drop drops decline declines decrease decreases slump slumps slide slowdown slowdowns weakness "
    "deterioration loss losses layoff layoffs redundancies lawsuit lawsuits litigation delay delays fraud default "
    "defaults bankruptcy insolvency shortage shortages warning warnings writedown writedowns write-down write- "
    "downs impairment impairments downgrade downgrades fine fines penalty penalties strike strikes recall recalls "
    "closure closures shutdown shutdowns breach breaches damage damages damaged cut cuts disruption disruptions "
    "dispute disputes crisis problems trouble wrongdoing irregularities misconduct corruption bribery "
    "manipulation allegations charges outage outages downturn downturns collapse accident accidents weak short "
    "bankrupt insolvent behind outflow outflows delisting dilution"
)
_VERB_FORMS = frozenset(_VERBS.split())
_BAD_VERB = rf"(?P<bad>{'|'.join(_VERBS.split())})"
_BAD_NOUN = rf"(?P<bad>(?:(?:job|profit)\s)?(?:{'|'.join(_NOUNS.split())})|rights\sissue)"
_BAD = rf"(?P<bad>(?:(?:job|profit)\s)?(?:{'|'.join(sorted({*_VERBS.split(), *_NOUNS.split()}))})|rights\sissue)"
# what may stand between a negation and what it negates; any other word ends its reach
_BETWEEN = (
    "be been being get getting have had has having yet any a an the its their of to in at all further more new "
    "significant significantly major material serious big large single so even expected expecting going planning "
    "plan plans forced about likely set see sees seeing saw seen expect expects anticipate face faces facing "
    "faced report reported reporting record recorded post posted booked suffer suffered made make take taking "
    "taken signs sign evidence risk threat fear for on"
)
# not cutting costs, not hitting a target: a denial of good news, which is left alone
_GOOD_OBJECT = (
    r"(?!\s(?:(?:its|the|their|a|any|further|net|operating|overall|annual)\s){0,2}"
    r"(?:costs?|debts?|loss(?:es)?|expenses|spending|emissions|inflation|risks?|tax(?:es)?|targets?|goals?|deficits?|rates?)\b)"
)
_NEAR = rf"(?:\s(?:{'|'.join(_BETWEEN.split())})){{0,4}}\s"
_SUBJECT = r"(?:\s[\w'-]+){1,4}?"
_NOT = r"(?:\b(?:not|never|cannot|nor)|n't)"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_DENIED = (
    # did not fall, hasn't lost, is not expected to close
    _pattern(rf"{_NOT}{_NEAR}{_BAD_VERB}\b{_GOOD_OBJECT}"),
    # does not expect its sales to fall
    _pattern(
        rf"{_NOT}\s(?:expect|see|anticipate|think|believe|want){_SUBJECT}\s(?:to|will|would)(?:\sbe)?\s{_BAD_VERB}\b"
    ),
    # no decline, without losses, not facing any lawsuit, no longer in default
    _pattern(rf"(?:\b(?:no(?:\slonger)?|without)|{_NOT}){_NEAR}{_BAD_NOUN}\b{_GOOD_OBJECT}"),
    # none of the stores will be shut
    _pattern(rf"\bnone\sof{_SUBJECT}\s(?:will|would|was|were|is|are|has|have)(?:\sbe(?:en)?)?\s{_BAD_VERB}\b"),
)
# no longer declining, stopped sliding: better than before
_ENDED = _pattern(
    rf"(?<!\bnot\s)(?<!n't\s)(?<!\bnever\s)\b(?:no\slonger|(?:stopped|ceased)(?:\sto)?)(?:\sbeing)?\s{_BAD_VERB}\b"
)
_OF = r"(?:\s(?:in|of|at|for|on|from|to|that|which)(?:\s(?!as\b|and\b|but\b|while\b|after\b)[\w'-]+){1,5}?)?"
# the decline in orders has come to an end
_OVER = _pattern(
    rf"\b{_BAD_NOUN}\b(?P<of>{_OF})\s(?:(?:has|have|had)\s(?:come\sto\san\send|ended|halted|stopped|ceased|"
    r"been\s(?:settled|resolved))|(?:is|are|was|were)\s(?:over(?!\s?[\d$€£])|no\slonger\s\w+ing)|came\sto\san\send)\b"
)
_HOPES = r"[^.;,]{0,40}\b(?:fear|expect|forecast|predict|thought|estimat|anticipat|consensus)"
# fell less sharply than feared
_LESS = _pattern(
    r"\b(?:fell|fallen|falling|declined|dropped|decreased|shrank|weakened|slowed|worsened)\sless(?:\s\w+ly)?"
    rf"(?=\sthan\b{_HOPES})"
)
# the loss was smaller than feared
_SMALLER = _pattern(
    rf"\b{_BAD_NOUN}\b(?P<was>{_OF}(?:\s(?:is|are|was|were|will\sbe|ha[sd]\sbeen|have\sbeen|turned\sout|came\sin|proved))?)"
    r"\s(?:(?:much|far|slightly|somewhat|clearly)\s)?"
    rf"(?:smaller|lower|milder|shallower|less(?:\s\w+)?|not\s(?:nearly\s)?(?:as|so)\s\w+)(?P<than>\s(?:than|as)\b{_HOPES})"
)
_DOUBLE = (
    r"(?P<double>(?:\b(?:not|never|cannot|nobody|no\slonger|without|(?:declin|refus|fail)\w*\sto|unable\sto)|n't)"
    r"\s(?:\w+\s)?)?"
)
_REPORTS = (
    r"(?:talks?|reports?|rumou?rs?|claims?|suggestions?|speculation|fears?|concerns?|worries|allegations|accusations)"
)
_DENY = _pattern(
    rf"(?:\b(?:untrue|false|not\strue)\sthat|{_DOUBLE}(?<!\bwas\s)(?<!\bwere\s)(?<!\bbeen\s)(?<!\bbe\s)"
    r"\b(?:den(?:y|ies|ied|ying)|refut(?:es?|ed|ing)|"
    rf"disput(?:es|ed|ing)\s(?:that|{_REPORTS})|rul(?:es?|ed|ing)\sout|no\struth\s(?:in|to)|"
    rf"(?:reject(?:s|ed|ing)?|dismiss(?:es|ed|ing)?|brush(?:es|ed|ing)?\s(?:aside|off))\s(?:\w+\s){{0,2}}?{_REPORTS}))\b"
    # up to the end of the clause
    r"(?P<denied>(?:(?!\b(?:but|while|after|as|although|though|because|despite|even|before|when)\b)[^.,;:!?]){0,120})"
)
# could not prevent the closure, did not stop the slide, was not spared a fine: the bad news came
_FAILED = (
    r"(?:(?:could|can|did|does|do|would|will|has|have|had|was|were|is|are)(?:\snot|n't)|cannot|never|"
    r"(?:nothing|nobody)\s(?:could|can|did|would|will|has|have)|fail(?:s|ed)?\sto|(?:was|were|is|are)\sunable\sto|unable\sto)"
)
_AVOID = (
    r"(?:prevent(?:ed)?|stop(?:ped)?|halt(?:ed)?|avoid(?:ed)?|avert(?:ed)?|escap(?:e|ed)|stem(?:med)?|arrest(?:ed)?|"
    r"(?:be(?:en)?\s)?spared?|(?:stave|staved|ward|warded|fend|fended)\soff)"
)
_ARTICLES = (
    r"(?:\s(?:a|an|the|its|their|his|her|any|this|that|further|more|new|another|sharp|steep|heavy|large|big)){0,3}\s"
)
_CAME = _pattern(
    rf"(?:\b(?:has|have|had|was|were|is|are)\s)?\b{_FAILED}\s{_AVOID}(?P<rest>{_ARTICLES}{_BAD_NOUN}\b)"
    r"(?!\s(?:in|of)\s(?:\w+\s){0,2}?(?:costs?|debts?|losses|expenses|defaults|claims|prices?\sof|loans)\b)"
)
# the fall could not be stopped
_WENT_ON = _pattern(
    rf"(?P<what>\b{_BAD_NOUN}\b{_OF})\s(?:(?:could|can)(?:\snot|n't)|cannot)\sbe\s(?:stopped|halted|averted|avoided|prevented|stemmed)\b"
)
# did not rule out a loss, does not deny that it will close: the speaker expects it
_EXPECTS = _pattern(
    r"\b(?:(?:did|does|do|could|can|would|will)(?:\snot|n't)|cannot)\s(?:(?P<that>deny\sthat)|rule\sout|deny)"
    rf"(?P<rest>(?:\s[\w'-]+){{0,4}}?\s{_BAD}\b)"
)
# growth and its like, and what is bad news where it grows
_GOOD_NOUN = r"(?:rise|growth|increase|gain|boom|rally|upswing|upturn|recovery|expansion|(?:winning\s)?(?:run|streak))"
_BAD_TO_GROW = (
    r"(?:costs?|debts?|loss(?:es)?|expenses|defaults|claims|(?:bad|overdue|unpaid)\s\w+|complaints|provisions|"
    r"inflation|rates?)"
)
_OF_GOOD = rf"(?:\s(?:in|of)(?:\s(?!{_BAD_TO_GROW}\b|as\b|and\b|but\b|while\b)[\w'-]+){{1,4}}?)?"
# the rise in bookings has come to an end
_GOOD_OVER = _pattern(
    rf"\b(?P<what>{_GOOD_NOUN}{_OF_GOOD})\s(?:(?:has|have|had)\s(?:come\sto\san\send|ended|halted|stopped|ceased|stalled)|"
    r"(?:is|are|was|were)\sover(?!\s?[\d$€£])|came\sto\san\send)\b"
)
# profit increased less than expected
_GREW_LESS = _pattern(
    r"(?P<what>(?:[\w'-]+\s){0,4})\b(?:grew|rose|increased|improved|gained|advanced|climbed)\sless(?:\s\w+ly)?"
    rf"(?P<than>\sthan\b{_HOPES}|\sthan\b[^.;,]{{0,30}}\bhoped)"
)
# the gain was smaller than expected
_GAINED_LESS = _pattern(
    rf"\b(?P<what>{_GOOD_NOUN}{_OF_GOOD})\s(?P<was>is|was|turned\sout|came\sin|proved)\s(?:(?:much|far|slightly|somewhat|clearly)\s)?"
    rf"(?:smaller|lower|weaker|slower|less\s\w+)(?P<than>\sthan\b{_HOPES}|\sthan\b[^.;,]{{0,30}}\bhoped)"
)
_BAD_SUBJECT = _pattern(rf"\b{_BAD_TO_GROW}\b")
# most texts have none of these and are left alone at once
_CUE = _pattern(
    r"\b(?:not?|nothing|nobody|unable|fail\w*|never|none|nor|cannot|without|ceased|stopped|less|over|ended|end|halted|settled|resolved|than|untrue|"
    r"false|den[yi]\w*|"
    r"refut\w+|disput\w+|rul\w+\sout|reject\w*|dismiss\w*|brush\w*)\b|n't"
)
_BAD_WORD = _pattern(rf"\b{_BAD}\b")


def put_denials_as_change(text: str) -> str:
    """`text`, with the word ``change`` in place of the bad news that it denies.

    A decline that has come to an end becomes a recovery, and a smaller fall than feared becomes ``better``. A double
    negation ("did not rule out a loss") is stated without either. Growth that is over, or less than expected, becomes
    ``weaker``.

    Examples
    --------
    >>> put_denials_as_change("Sales did not fall in May")
    'Sales did not change in May'
    >>> put_denials_as_change("Orders are no longer declining")
    'Orders are recovering'
    >>> put_denials_as_change("The company denies that it will cut its dividend, but sales fell")
    'The company denies that it will change its dividend, but sales fell'
    >>> put_denials_as_change("The mill could not avoid a strike")
    'The mill suffered a strike'
    >>> put_denials_as_change("Profit rose less than expected")
    'Profit was worse than expected'
    """
    if not _CUE.search(text):
        return text
    text = _CAME.sub(r"suffered\g<rest>", text)
    text = _WENT_ON.sub(r"\g<what> went on", text)
    text = _EXPECTS.sub(lambda m: f"{'says that' if m['that'] else 'expects'}{m['rest']}", text)
    text = _GOOD_OVER.sub(r"weaker \g<what>", text)
    text = _GREW_LESS.sub(_grew_less, text)
    text = _GAINED_LESS.sub(r"change \g<was> worse\g<than>", text)
    text = _LESS.sub("was better", _ENDED.sub("recovering", text))
    text = _OVER.sub(r"change\g<of> is better", text)
    text = _SMALLER.sub(lambda m: f"change{m['was']} better{m['than'].replace(' as ', ' than ', 1)}", text)
    for pattern in _DENIED:
        text = pattern.sub(_with_change, text)
    return _DENY.sub(_without_bad_words, text)


def _grew_less(match: re.Match[str]) -> str:
    good = _BAD_SUBJECT.search(match["what"]) is not None  # costs that rose less than expected
    return f"{match['what']}was {'better' if good else 'worse'}{match['than']}"


def _with_change(match: re.Match[str]) -> str:
    start, end = match.span("bad")
    whole = match.string
    return f"{whole[match.start() : start]}{_change(match['bad'])}{whole[end : match.end()]}"


def _without_bad_words(match: re.Match[str]) -> str:
    if match["double"]:
        return match[0]
    start = match.start("denied") - match.start()
    return match[0][:start] + _BAD_WORD.sub(lambda bad: _change(bad[0]), match["denied"])


def _change(word: str) -> str:
    return "changing" if word.lower().endswith("ing") and word.lower() in _VERB_FORMS else "change"
