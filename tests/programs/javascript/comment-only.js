// nothing happens here
