"""What the contract tests stand on: two servers, a client that writes down what it was told, and the comparison."""
