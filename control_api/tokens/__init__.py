"""Who calls: tokens of accounts, of join links and of the operator, and the keys that prove them."""
