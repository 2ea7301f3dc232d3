"""What protoc makes of the API: messages and stubs."""
