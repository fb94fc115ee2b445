from tests.fakes.running import free_port as free_port
