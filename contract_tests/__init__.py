"""What is examined, in a reader's words. The examiner does the work; nothing here knows a provider."""
