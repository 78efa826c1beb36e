"""All uses of private names and overrides of final methods of singer-sdk, each with its reason."""
