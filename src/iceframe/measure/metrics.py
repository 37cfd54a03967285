"""Every metric that Evidence may carry: its axis, its direction, what it says, where it is from."""

from __future__ import annotations

from dataclasses import dataclass

from iceframe.core.registry import Registry
from iceframe.core.values import Axis, Better


@dataclass(frozen=True)
class Metric:
    """One metric. ``in_target_units``: it is measured in the unit of the target."""

    title: str
    axis: Axis
    better: Better
    summary: str
    reference: str = ""
    in_target_units: bool = False


METRICS: Registry[Metric] = Registry("metric")

_YE = "Ye 1998, doi 10.1080/01621459.1998.10474094"
_GNEITING = "Gneiting & Raftery 2007, doi 10.1198/016214506000001437"
_BHATT = "Bhatt, Weller & Moura 2020, doi 10.24963/ijcai.2020/417"
_ALVAREZ = "Alvarez-Melis & Jaakkola 2018, arXiv 1806.08049"
_BREIMAN = "Breiman 2001, doi 10.1023/A:1010933404324"
_DCI = "Eastwood & Williams 2018, openreview By-7dz-AZ"

for _name, _metric in {
    "complexity": Metric(
        "complexity", "complexity", "lower", "half C1, a quarter C2, a quarter C3; 0 is a constant"
    ),
    "gdf": Metric(
        "degrees of freedom",
        "complexity",
        "lower",
        "how far the fitted values follow a disturbance of the targets (generalised)",
        _YE,
    ),
    "gdf_small": Metric(
        "degrees of freedom, small disturbance",
        "complexity",
        "lower",
        "the same with disturbances of a tenth of a standard deviation, as a check",
        _YE,
    ),
    "c1": Metric("C1", "complexity", "lower", "ln(1 + GDF)/ln(1 + n)", _YE),
    "c2": Metric("C2", "complexity", "lower", "non-additivity: 1 - R² of the best additive model"),
    "c3": Metric("C3", "complexity", "lower", "share of the features that is in use", _BREIMAN),
    "parameters": Metric("parameters", "complexity", "lower", "number of fitted numbers"),
    "mae": Metric("mean absolute error", "fidelity", "lower", "mean |y - ŷ|", in_target_units=True),
    "rmse": Metric(
        "root mean squared error", "fidelity", "lower", "√ mean (y - ŷ)²", in_target_units=True
    ),
    "r2": Metric("R²", "fidelity", "higher", "1 - squared error over variance"),
    "balanced_accuracy": Metric(
        "balanced accuracy",
        "fidelity",
        "higher",
        "recall, averaged over classes",
        "Brodersen 2010, doi 10.1109/ICPR.2010.764",
    ),
    "accuracy": Metric("accuracy", "fidelity", "higher", "share of samples put in their class"),
    "log_loss": Metric(
        "log loss", "fidelity", "lower", "mean -ln of the true class's probability", _GNEITING
    ),
    "coverage_90": Metric(
        "coverage at 90 %",
        "fidelity",
        "neither",
        "share of held-out samples inside their 90 % interval or set; should be 0.90",
    ),
    "interval_score_90": Metric(
        "interval score at 90 %",
        "fidelity",
        "lower",
        "width plus 20 times the distance by which the truth is missed",
        _GNEITING,
        in_target_units=True,
    ),
    "set_size_90": Metric(
        "classes in a 90 % set", "fidelity", "lower", "mean number of classes in the set"
    ),
    "worst_group_coverage": Metric(
        "coverage of the worst group",
        "fidelity",
        "higher",
        "lowest coverage over groups of at least ten samples",
        "Romano, Barber, Sabatti & Candès 2020, doi 10.1162/99608f92.03f00592",
    ),
    "leave_cluster_out": Metric(
        "error on unseen clusters",
        "fidelity",
        "lower",
        "the loss on clusters of samples that were left out whole",
        "Meredig 2018, doi 10.1039/C8ME00012C",
        in_target_units=True,
    ),
    "augrc": Metric(
        "AUGRC",
        "fidelity",
        "lower",
        "average loss of undetected failures when the least certain are withheld",
        "Traub 2024, arXiv 2407.01032",
    ),
    "crps": Metric(
        "CRPS",
        "fidelity",
        "lower",
        "distance of the predicted distribution from the truth; |y - ŷ| where it is a point",
        _GNEITING,
        in_target_units=True,
    ),
    "miscalibration_area": Metric(
        "miscalibration area",
        "fidelity",
        "lower",
        "area between the coverage at every level and the level; 0 to 0.5",
        "Tran et al. 2020, doi 10.1088/2632-2153/ab7e1a",
    ),
    "calibration_error": Metric(
        "expected calibration error",
        "fidelity",
        "lower",
        "how far the probability of the predicted class is from how often it is right",
        "Naeini, Cooper & Hauskrecht 2015, doi 10.1609/aaai.v29i1.9602",
    ),
    "shift_coverage_90": Metric(
        "coverage on unseen clusters",
        "fidelity",
        "neither",
        "share of samples of left-out clusters inside their 90 % interval or set",
        "Meredig 2018, doi 10.1039/C8ME00012C",
    ),
    "shift_coverage_90_weighted": Metric(
        "coverage on unseen clusters, weighted",
        "fidelity",
        "neither",
        "the same with calibration samples weighted by a density ratio, where they reach",
        "Tibshirani et al. 2019, arXiv 1904.06019",
    ),
    "faithfulness": Metric(
        "faithfulness",
        "transparency",
        "higher",
        "rank correlation of the attribution with the model's own flips",
        _BHATT,
    ),
    "seed_stability": Metric(
        "stability from seed to seed",
        "transparency",
        "higher",
        "rank correlation of the attributions of two fits that differ in their seed",
        _ALVAREZ,
    ),
    "resample_stability": Metric(
        "stability under resampling",
        "transparency",
        "higher",
        "rank correlation of the attributions of fits to two halves of the data",
        _ALVAREZ,
    ),
    "compactness": Metric(
        "compactness",
        "transparency",
        "higher",
        "1 where one feature says all, 0 where all say the same",
        _BHATT,
    ),
    "completeness_gap": Metric(
        "completeness gap",
        "transparency",
        "lower",
        "part of the prediction that the attributions do not add up to",
        "Sundararajan 2017, arXiv 1703.01365",
    ),
    "pf_star": Metric(
        "physical agreement PF*",
        "transparency",
        "higher",
        "agreement of the map with the exact flip of the property, from floor 0 to ceiling 1",
    ),
    "gradient_agreement": Metric(
        "gradient agreement",
        "transparency",
        "higher",
        "correlation over voxels of the network's gradient with the solver's exact sensitivity",
    ),
    "infidelity": Metric(
        "infidelity",
        "transparency",
        "lower",
        "squared error of what the map foretells for changed patches, over the squared change",
        "Yeh et al. 2019, arXiv 1901.09392",
    ),
    "deletion": Metric(
        "deletion",
        "transparency",
        "higher",
        "how much faster the prediction goes when the map's voxels go first than in random order",
        "Samek et al. 2017, doi 10.1109/TNNLS.2016.2599820",
    ),
    "insertion": Metric(
        "insertion",
        "transparency",
        "higher",
        "how much faster the prediction comes back when the map's voxels come first",
        "Petsiuk, Das & Saenko 2018, arXiv 1806.07421",
    ),
    "max_sensitivity": Metric(
        "maximal sensitivity",
        "transparency",
        "lower",
        "largest relative change of the map under small noise in the image",
        "Yeh et al. 2019, arXiv 1901.09392",
    ),
    "average_sensitivity": Metric(
        "average sensitivity",
        "transparency",
        "lower",
        "mean relative change of the map under small noise in the image",
        "Yeh et al. 2019, arXiv 1901.09392",
    ),
    "mprt": Metric(
        "similarity to random weights (MPRT)",
        "transparency",
        "lower",
        "rank correlation of the map with that of the model with all layers drawn anew",
        "Adebayo et al. 2018, arXiv 1810.03292",
    ),
    "efficient_mprt": Metric(
        "rise of the entropy at random weights",
        "transparency",
        "higher",
        "relative rise of the map's histogram entropy when all layers are drawn anew",
        "Hedström et al. 2024, arXiv 2405.02383",
    ),
    "map_entropy": Metric(
        "entropy of the map",
        "transparency",
        "lower",
        "entropy of the shares of the map's sizes, in nats",
        _BHATT,
    ),
    "gini": Metric(
        "Gini index of the map",
        "transparency",
        "higher",
        "how unequal the sizes of the map are: 0 all the same, 1 a single voxel",
        "Chalasani et al. 2020, arXiv 1810.06583",
    ),
    "explanation_vs_model": Metric(
        "explanation against model",
        "transparency",
        "higher",
        "rank correlation of the map with the model's own flips of voxels, within phases",
        _BHATT,
    ),
    "model_vs_physics": Metric(
        "model against physics",
        "transparency",
        "higher",
        "rank correlation of the model's flips of voxels with the exact ones, within phases",
    ),
    "mig": Metric(
        "mutual information gap (MIG)",
        "transparency",
        "higher",
        "is each factor in one latent: gap of mutual information to the second-best latent",
        "Chen et al. 2018, arXiv 1802.04942",
    ),
    "sap": Metric(
        "separated attribute predictability (SAP)",
        "transparency",
        "higher",
        "is each factor in one latent, linearly: gap of R² to the second-best latent",
        "Kumar, Sattigeri & Balakrishnan 2018, arXiv 1711.00848",
    ),
    "factor_vae": Metric(
        "FactorVAE score",
        "transparency",
        "higher",
        "does holding a factor still hold one and the same latent still",
        "Kim & Mnih 2018, arXiv 1802.05983",
    ),
    "modularity": Metric(
        "modularity",
        "transparency",
        "higher",
        "does each latent know one factor only",
        "Ridgeway & Mozer 2018, arXiv 1802.05312",
    ),
    "explicitness": Metric(
        "explicitness",
        "transparency",
        "higher",
        "can each factor be read off all latents by a linear model",
        "Ridgeway & Mozer 2018, arXiv 1802.05312",
    ),
    "dci_disentanglement": Metric(
        "DCI disentanglement",
        "transparency",
        "higher",
        "does each latent help to predict one factor only",
        _DCI,
    ),
    "dci_completeness": Metric(
        "DCI completeness",
        "transparency",
        "higher",
        "is each factor predicted by one latent only",
        _DCI,
    ),
    "dci_informativeness": Metric(
        "DCI informativeness",
        "transparency",
        "higher",
        "how well all latents predict the factors, on held-out samples",
        _DCI,
    ),
    "fit_seconds": Metric("time to fit", "cost", "lower", "seconds for one fold, tuning included"),
    "predict_seconds": Metric("time to predict", "cost", "lower", "seconds for one fold"),
    "total_seconds": Metric("time in all", "cost", "lower", "seconds over all folds"),
}.items():
    METRICS.register(_name)(_metric)
