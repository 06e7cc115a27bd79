"""MobileNetV3 SubNets between the smallest and the largest: the most accurate ones found within a budget.

Found by evolutionary search with a published accuracy predictor of the w1.2 SuperNet, limited in weight bytes and in
multiply-accumulates.  Without the classifier the seven of w1.2 have 2.98 to 4.74 MiB.  The predictor knows nothing of
w1.0: there it only ranks.  Columns: image side, depth, expand and kernel (0: unused block).
"""
from __future__ import annotations

__all__ = ["PARETO"]

PARETO: dict[str, tuple[tuple[int, str, str, str], ...]] = {
    "ofa_mbv3_w10": (
        (160, "24222", "34003433340033003300", "73005733330075003300"),
        (176, "22242", "33004400440034434300", "55007300730035333300"),
        (192, "32242", "33304300630034334600", "33307300570075737300"),
        (192, "24442", "33004633434334436600", "55005553573377557500"),
        (208, "33443", "43406640444343446640", "33305330353777573350"),
        (224, "34434", "36304343443343306664", "55707357555777303733"),
        (224, "44444", "66644334434436663663", "53357573773735373353"),
    ),
    "ofa_mbv3_w12": (
        (176, "33222", "33304330630033003300", "35307350530033003300"),
        (192, "22432", "33004300633333303300", "37003300535533703300"),
        (192, "33432", "43304430643334304300", "33303750535373507300"),
        (208, "24442", "33004463433444334300", "53007335575735333700"),
        (208, "43442", "33334440443443436300", "57735330573357735700"),
        (208, "43442", "63446430636346336300", "55337770575773553300"),
        (224, "34342", "64603434634034336600", "73303573553077557300"),
    ),
}
