SELECT run_id, amount FROM onboarding_validation_test
