"""The contract tests, one module for each topic. They call the checks of the examiner, and know no provider."""
