// The events that the load generator speaks over Socket.IO: join a room, say something to everybody in it.
// node socket_io.mjs <port>
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, httpCompression: false });

io.on("connection", (socket) => {
  socket.on("join", async (room, done) => {
    await socket.join(room);
    done();
  });
  socket.on("say", (room, payload, done) => {
    io.to(room).emit("said", payload);
    if (typeof done === "function") done();
  });
});
http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
