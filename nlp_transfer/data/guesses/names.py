"""Read hints in the names of columns, in a dozen languages. A name is a hint only: what a column holds counts more."""

import re
from typing import Literal

Hint = Literal["label", "text", "summary", "title", "source", "target", "number", "aside"]
WORDS: dict[Hint, str] = {
    "label": """
        label labels class classes category categories sentiment polarity topic topics intent emotion emotions stars
        rating tag tags gold duplicate entailment paraphrase relation kategorie klasse thema bewertung stimmung
        catégorie classe étiquette sujet avis categoría categoria clase etiqueta sentimiento tema etichetta rótulo
        sentimento метка категория класс тональность тема 标签 类别 分类 情感 ラベル カテゴリ 感情 레이블 감정 वर्ग تصنيف
    """,
    "text": """
        text texts sentence review content body comment message tweet document article post utterance question
        description dialogue satz kommentar nachricht inhalt beschreibung texte phrase commentaire contenu texto frase
        comentario contenido mensaje reseña testo commento recensione resenha tekst zin текст отзыв комментарий
        文本 内容 评论 句子 テキスト 本文 レビュー 텍스트 문장 리뷰 نص
    """,
    "summary": """
        summary summaries highlights abstract tldr gist zusammenfassung kurzfassung résumé resumen riassunto resumo
        samenvatting аннотация саммари 摘要 要約 요약 ملخص
    """,
    "title": """
        title headline heading subject titel überschrift betreff titre titolo título titulo заголовок 标题 題名 제목
    """,
    "source": "source src msgid original quelle origen",
    "target": "target tgt msgstr translation reference ziel traduction traducción übersetzung перевод 译文 翻訳",
    "number": "score similarity relatedness number value grade degree ähnlichkeit similarité similitud оценка",
    "aside": """
        id ids uuid guid index idx key date time timestamp created updated year month day url link href author user
        username name speaker editor email file filename path split lang language locale country license licence
        version module package row line datum zeit autor nutzer sprache auteur lien langue fecha enlace usuario idioma
        data autore дата автор ссылка 日期 时间 作者 用户 日付 날짜 작성자
    """,
}
HINTS: dict[str, Hint] = {word: hint for hint, words in WORDS.items() for word in words.split()}
PAIRS = (
    {"premise", "hypothesis"}, {"first", "second"}, {"left", "right"}, {"claim", "evidence"}, {"anchor", "positive"},
    {"query", "passage"}, {"query", "document"}, {"question", "passage"}, {"question", "context"},
    {"question", "sentence"}, {"question", "answer"},
)  # fmt: skip
# The codes of ISO 639-1, but for those that are words for other things in a table: id, no, is, or.
CODES = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es
et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia ie ig ii ik io it iu ja jv ka kg ki kj kk kl
km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn nr nv ny oc oj
om os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to
tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
PARTS = re.compile(r"(?<=[a-z])(?=[A-Z])|[\W_]+|(?<=\D)(?=\d)")
COUNTED = re.compile(r"(.*?)[\W_]*(?:[0-9]|[ab])")  # sentence1, text_b


def find_hint(name: str) -> Hint | None:
    """Find what a name says of its column; of several words the last one counts, as in `user_intent`."""
    parts = [part.lower() for part in PARTS.split(name.rpartition(".")[2]) if part]
    return next((HINTS[part] for part in reversed(parts) if part in HINTS), None)


def are_counterparts(first: str, second: str) -> bool:
    """Tell whether two names are those of two texts to compare: `premise` and `hypothesis`, `text1` and `text2`."""
    one, other = COUNTED.fullmatch(first.lower()), COUNTED.fullmatch(second.lower())
    counted = one is not None and other is not None and one[1] == other[1] and first != second
    return counted or {first.lower(), second.lower()} in PAIRS


def find_code(name: str) -> str | None:
    """Find the language that a name such as `fr`, `pt-BR` or `translation.de` is the code of."""
    code, *region = re.split("[-_]", name.rpartition(".")[2].lower())
    return code if code in CODES.split() and len(region) < 2 and all(2 <= len(one) <= 4 for one in region) else None
