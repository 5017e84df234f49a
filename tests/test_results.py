"""Exit codes of a report: what fails, what could not be done, and that nothing is not a success."""

import itertools

import pytest

from xorexport.results import DigestRow, EquivalenceRow, Outcome, ParityReport, ParityRow
from xorexport.spec import Precision


def parity(outcome):
    return ParityRow(artifact="a", format="f", precision=Precision.FLOAT32, engine="e", outcome=outcome)


def report(*outcomes, **others):
    return ParityReport(model="m", parity=tuple(parity(outcome) for outcome in outcomes), **others)


def test_a_report_without_rows_is_trouble():
    assert report().exit_code == 2


def test_digests_alone_do_not_verify_predictions():
    digests = (DigestRow(path="p", outcome=Outcome.PASS),)
    assert report(digests=digests).exit_code == 2
    assert report(Outcome.PASS, digests=digests).exit_code == 0


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([Outcome.PASS], 0),
        ([Outcome.PASS, Outcome.SKIPPED], 0),
        ([Outcome.SKIPPED], 2),
        ([Outcome.ERROR], 2),
        ([Outcome.PASS, Outcome.ERROR], 2),
        ([Outcome.FAIL], 1),
        ([Outcome.PASS, Outcome.FAIL], 1),
        ([Outcome.PASS, Outcome.ERROR, Outcome.FAIL], 1),
    ],
)
def test_a_failure_outweighs_trouble_and_trouble_outweighs_success(outcomes, code):
    for order in itertools.permutations(outcomes):
        assert report(*order).exit_code == code


@pytest.mark.parametrize("where", ["equivalence", "digests"])
def test_a_failed_row_of_any_kind_fails(where):
    row = {
        "equivalence": EquivalenceRow(check="weights", outcome=Outcome.FAIL, detail="differ"),
        "digests": DigestRow(path="p", outcome=Outcome.FAIL),
    }[where]
    assert report(Outcome.PASS, **{where: (row,)}).exit_code == 1


def test_an_artifact_that_nothing_verified_is_trouble_where_all_have_to_be():
    assert report(Outcome.PASS, unverified=("b",), whole=True).exit_code == 2
    assert report(Outcome.PASS, unverified=("b",)).exit_code == 0
    assert report(Outcome.PASS, whole=True).exit_code == 0


def test_rows_of_all_groups_are_counted():
    digests = (DigestRow(path="p", outcome=Outcome.PASS),)
    equivalence = (EquivalenceRow(check="c", outcome=Outcome.PASS, detail=""),)
    assert len(list(report(Outcome.PASS, Outcome.SKIPPED, digests=digests, equivalence=equivalence).rows())) == 4
