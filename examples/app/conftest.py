from qwenmock.pytest_plugin import autouse

double = autouse("qwenmock_intercept")
