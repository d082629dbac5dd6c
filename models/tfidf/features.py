"""The text that stands for a record, task by task, as in Russian SuperGLUE's TF-IDF baseline.

https://github.com/RussianNLP/RussianSuperGLUE, folder tfidf_baseline.
"""

PARUS_QUESTIONS = {"cause": "Что было ПРИЧИНОЙ этого?", "effect": "Что случилось в РЕЗУЛЬТАТЕ?"}
RANKED = ("muserc", "rucos")  # no classifier: options are compared with the passage


def text_of(task, record):
    """One string for a record of a classified task."""
    if task == "danetqa":
        parts = [record["question"]]
    elif task in ("terra", "rcb"):
        parts = [record["premise"], record["hypothesis"]]
    elif task == "lidirus":
        parts = [record["sentence1"], record["sentence2"]]
    elif task == "parus":
        question = PARUS_QUESTIONS[record["question"]]
        parts = [record["premise"], question, record["choice1"], record["choice2"]]
    elif task == "russe":
        parts = [record["sentence1"], record["sentence2"], record["word"]]
    else:  # rwsd
        target = record["target"]
        parts = [record["text"], target["span1_text"], target["span2_text"]]
    return " ".join(str(part).strip() for part in parts)


def passage_of(task, record):
    """The passage of a ranked task."""
    text = record["passage"]["text"]
    return text.replace("\n@highlight\n", " ") if task == "rucos" else text


def options_of(task, record):
    """The options of each question of a ranked task: lists of strings, one list a question."""
    passage = record["passage"]
    if task == "muserc":
        return [
            [f"{question['question']} {answer['text']}" for answer in question["answers"]]
            for question in passage["questions"]
        ]
    names = entities_of(record)
    return [[qa["query"].replace("@placeholder", name) for name in names] for qa in record["qas"]]


def entities_of(record):
    """The marked strings of a RuCoS passage."""
    passage = record["passage"]
    return [passage["text"][each["start"] : each["end"]] for each in passage["entities"]]
