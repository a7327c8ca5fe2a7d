"""The way to Redis: connections that notice silence, one master or many, nothing sent twice."""
