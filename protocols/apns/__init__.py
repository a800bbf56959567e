"""Apple Push Notification service, the provider's side: what is sent, what comes back, how.

`message` says what a push is and what Apple would refuse of it, `reason` what each of Apple's
answers asks of a provider, `token` signs provider tokens.
"""
