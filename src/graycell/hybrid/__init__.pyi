from .black_boxes import BLACK_BOXES as BLACK_BOXES
from .black_boxes import neural_ode_model as neural_ode_model
from .black_boxes import neural_rates_model as neural_rates_model
from .model_files import build_model as build_model
from .model_files import read_model as read_model
from .neural_rates import NeuralRateSpec as NeuralRateSpec
from .neural_rates import law_from as law_from
from .neural_rates import with_neural_rates as with_neural_rates
