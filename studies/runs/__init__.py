"""Run folders as studies read them: which runs are compared, how fairly, and what the paper reported."""
