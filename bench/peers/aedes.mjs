// Aedes as a broker of its own: MQTT over TCP and WebSocket, everything in memory (it has no other store by itself).
// node aedes.mjs <mqtt port> <websocket port>
import { createServer } from "node:net";
import { createServer as createHttpServer } from "node:http";
import { Aedes } from "aedes";
import { WebSocketServer, createWebSocketStream } from "ws";

const [mqttPort, webSocketPort] = process.argv.slice(2).map(Number);
const broker = await Aedes.createBroker({ queueLimit: 100_000, maxClientsIdLength: 100 });

createServer({ noDelay: true }, broker.handle).listen({ port: mqttPort, host: "127.0.0.1", backlog: 4096 });

const http = createHttpServer();
new WebSocketServer({ server: http, perMessageDeflate: false }).on("connection", (socket, request) => {
  broker.handle(createWebSocketStream(socket), request);
});
http.listen({ port: webSocketPort, host: "127.0.0.1", backlog: 4096 });
