"""The counts that everybody can look up: ResNet-50's and BERT's, from models exported as cases export theirs."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("onnxscript")

from case_support import case_config  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from benchmarks.resnet50 import pytorch as resnet50  # noqa: E402
from tools.flops import cost, disagreement  # noqa: E402
from tools.onnx_export import export  # noqa: E402

LAYERS, HIDDEN, INNER, LENGTH = 12, 768, 3072, 256
PROJECTIONS, PERCEPTRON = 4 * 2 * LENGTH * HIDDEN**2, 2 * 2 * LENGTH * HIDDEN * INNER
ATTENTION = 2 * 2 * LENGTH**2 * HIDDEN
ANSWERS = 2 * LENGTH * HIDDEN * 2


class Bert(torch.nn.Module):
    """BERT-base for question answering, int64 [batch, length] -> two floats [batch, length]. Its layers share one layer's
    weights: what is counted is the same, and the file is a tenth."""

    def __init__(self, layers):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = transformers.BertForQuestionAnswering(transformers.BertConfig(num_hidden_layers=1))
        self.net.bert.encoder.layer = torch.nn.ModuleList(list(self.net.bert.encoder.layer) * layers)

    def forward(self, ids):
        return self.net(input_ids=ids, return_dict=False)


def exported_bert(folder, layers, opset):
    ids = torch.zeros(1, LENGTH, dtype=torch.int64)
    config = SimpleNamespace(opset=opset, dynamic_batch=False, batch_size=1, perf_dir=folder, case="bert", framework="pytorch")
    return export(Bert(layers).eval(), config, [ids], ["ids"], ["start", "end"])


def test_resnet50_counts_8_18_gflop(tmp_path):
    config = case_config("resnet50", tmp_path, "synthetic", batch_size=2)
    counted = cost(resnet50.export_model(resnet50.create_model(config), config), 2)
    assert (counted.flops_per_item, counted.uncounted) == (8_178_368_512, ())
    assert counted.bytes_per_query == pytest.approx(4 * (25_557_032 + 2 * 3 * 224 * 224 + 2 * 1000), rel=0.01)
    assert disagreement(counted.flops_per_item, config.flops) is None


@pytest.mark.parametrize("opset", [18, 23], ids=["attention written out", "attention as one operator"])
def test_a_layer_of_bert_counts_attentions_two_products(tmp_path, opset):
    counted = cost(exported_bert(tmp_path, 1, opset), 1)
    assert (counted.flops_per_item, counted.uncounted) == (PROJECTIONS + PERCEPTRON + ATTENTION + ANSWERS, ())


def test_torchs_own_counter_misses_attentions_products_on_the_cpu_which_is_why_the_graph_is_counted():
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Bert(1).eval()(torch.zeros(1, LENGTH, dtype=torch.int64))
    assert counter.get_total_flops() == PROJECTIONS + PERCEPTRON + ANSWERS


@pytest.mark.slow
def test_bert_base_at_256_tokens_counts_45_9_gflop_not_43_5(tmp_path):
    counted = cost(exported_bert(tmp_path, LAYERS, 18), 1)
    assert counted.flops_per_item == 45_903_249_408
    assert counted.flops_per_item - LAYERS * ATTENTION == pytest.approx(43.5e9, rel=1e-3)
