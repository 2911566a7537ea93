// Bare uWebSockets: text frames `echo…` come back, `publish…` goes to whoever sent `join`.
// Never: Socket.IO, a check or a limit; this is the floor that the others are measured against.

#include <iostream>
#include <string_view>

#include "App.h"

struct Nothing {};

static constexpr std::string_view room = "bench";

int main() {
    uWS::App app;
    app.ws<Nothing>("/*", {
        .compression = uWS::DISABLED,
        .maxPayloadLength = 16 * 1024,
        .idleTimeout = 120,
        .maxBackpressure = 1024 * 1024,
        .message = [&app](auto *socket, std::string_view message, uWS::OpCode opcode) {
            if (message.starts_with("publish")) {
                app.publish(room, message, opcode);
            } else if (message == "join") {
                socket->subscribe(room);
                socket->send(message, opcode);
            } else {
                socket->send(message, opcode);
            }
        },
    });
    app.listen("127.0.0.1", 0, [](us_listen_socket_t *listener) {
        if (listener == nullptr) {
            std::cerr << "cannot listen" << std::endl;
            std::exit(1);
        }
        auto port = us_socket_local_port(0, reinterpret_cast<us_socket_t *>(listener));
        std::cout << "listening public http://127.0.0.1:" << port << std::endl;
    });
    app.run();
}
