//! BuildKit as a server of its own, which in the real pipelines a container of `moby/buildkit` is.
//!
//! No image can be had here, and no release of Debian has buildkitd. But dockerd has a BuildKit in it and speaks its protocol
//! behind `POST /grpc`, which is how `docker build` talks to it. A listener that says that and then hands bytes on makes of it
//! what the driver `remote` of buildx takes: a builder that pushes by digest and keeps caches in folders, as the driver
//! `docker-container` does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

/// Listens until the test ends; gives the port.
pub(crate) fn listen(socket: &Path) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket: PathBuf = socket.to_path_buf();
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { return };
            let socket = socket.clone();
            thread::spawn(move || serve(client, &socket));
        }
    });
    port
}

fn serve(client: TcpStream, socket: &Path) {
    let Ok(mut server) = UnixStream::connect(socket) else {
        return;
    };
    let upgrade =
        b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    if server.write_all(upgrade).is_err() {
        return;
    }
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match server.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    let (Ok(mut from_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let up = thread::spawn(move || {
        // Either side may end.
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut to_client = client;
    let _ = std::io::copy(&mut server, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Write);
    let _ = up.join();
}
