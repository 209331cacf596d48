"""Services that Greenroom talks to: webhooks, payments, TURN."""
