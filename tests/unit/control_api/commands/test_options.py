import argparse

import pytest
from pydantic import SecretStr, ValidationError

from control_api.commands.options import add_settings, is_secret, problems, variable
from control_api.settings import Settings


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)


def test_no_secret_has_an_option():
    parser = argparse.ArgumentParser()
    add_settings(parser, Settings.model_fields)
    offered = set(vars(parser.parse_args([])))
    secret = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert secret | {"database_url"} == {name for name in Settings.model_fields if is_secret(name)}
    assert offered == set(Settings.model_fields) - secret - {"database_url"}
    assert SecretStr.__name__ == "SecretStr"


def test_every_problem_is_told_without_values():
    with pytest.raises(ValidationError) as caught:
        Settings(port=-1, jwt_secret="hunter2", DATABASE_URL="mysql://ana:hunter2@db")
    told = problems(caught.value)
    assert {name for name, _ in told} == {"GREENROOM_PORT", "DATABASE_URL", "GREENROOM_JWT_SECRET"}
    assert "hunter2" not in str(told)


def test_a_problem_of_several_settings_has_no_name():
    with pytest.raises(ValidationError) as caught:
        Settings(host="0.0.0.0")
    ((name, text),) = problems(caught.value)
    assert name == ""
    assert "GREENROOM_JWT_SECRET" in text
