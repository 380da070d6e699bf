use futures_util::StreamExt;

use super::*;
use crate::dice::Dice;

/// Everything that shows from outside.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    events: Vec<(String, String)>,
    id: Option<String>,
    retry: Option<u64>,
}

fn read(stream: &[u8], chunk: usize) -> Seen {
    let mut parser = SseParser::new(1 << 20);
    let mut events = VecDeque::new();
    for part in stream.chunks(chunk.max(1)) {
        parser.feed(part, &mut events).unwrap();
    }
    let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
    Seen {
        events: events
            .iter()
            .map(|event| (event.name.to_string(), text(&event.data)))
            .collect(),
        id: parser.last_event_id().map(str::to_owned),
        retry: parser.retry().map(|retry| retry.as_millis() as u64),
    }
}

fn seen(events: &[(&str, &str)], id: Option<&str>, retry: Option<u64>) -> Seen {
    Seen {
        events: events
            .iter()
            .map(|(name, data)| ((*name).to_owned(), (*data).to_owned()))
            .collect(),
        id: id.map(str::to_owned),
        retry,
    }
}

#[test]
fn streams_read_the_same_whatever_the_chunks() {
    let cases: Vec<(&[u8], Seen)> = vec![
        (b"data: a\n\n", seen(&[("message", "a")], None, None)),
        (
            b"data:a\r\n\r\ndata: b\r\n\r\n",
            seen(&[("message", "a"), ("message", "b")], None, None),
        ),
        (
            b"data: a\r\rdata:b\r\r",
            seen(&[("message", "a"), ("message", "b")], None, None),
        ),
        (
            b"data: a\r\n\ndata: b\n\r\n",
            seen(&[("message", "a"), ("message", "b")], None, None),
        ),
        (
            b"\xef\xbb\xbfdata: a\n\n",
            seen(&[("message", "a")], None, None),
        ),
        (
            b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n",
            seen(&[], None, None),
        ),
        (
            b"data: a\ndata:  b\ndata\ndata:c\n\n",
            seen(&[("message", "a\n b\n\nc")], None, None),
        ),
        (b"data\n\n", seen(&[], None, None)),
        (b"data:\n\n", seen(&[], None, None)),
        (b"data:\ndata:\n\n", seen(&[("message", "\n")], None, None)),
        (
            b": keep-alive\n\n:\n\ndata: a\n\n",
            seen(&[("message", "a")], None, None),
        ),
        (
            b"event: endpoint\ndata: /m\n\ndata: x\n\n",
            seen(&[("endpoint", "/m"), ("message", "x")], None, None),
        ),
        (
            b"event:\ndata: x\n\n",
            seen(&[("message", "x")], None, None),
        ),
        (
            b"id: 7/3\nretry: 500\ndata:\n\n",
            seen(&[], Some("7/3"), Some(500)),
        ),
        (b"id: 7\n\n", seen(&[], Some("7"), None)),
        (
            b"id: 7\ndata: x\n\nid\ndata: y\n\n",
            seen(&[("message", "x"), ("message", "y")], None, None),
        ),
        (
            b"id: 7\ndata: x\n\ndata: y\n\n",
            seen(&[("message", "x"), ("message", "y")], Some("7"), None),
        ),
        (
            b"id: a\0b\ndata: x\n\n",
            seen(&[("message", "x")], None, None),
        ),
        (b"retry: 500\n", seen(&[], None, Some(500))),
        (b"retry: +5\nretry: 5s\nretry:\n\n", seen(&[], None, None)),
        (
            b"retry: 99999999999999999999\n\n",
            seen(&[], None, Some(u64::MAX)),
        ),
        (b"data: unfinished\nid: 9\n", seen(&[], None, None)),
        (b"dat: x\ndataa: y\nDATA: z\n\n", seen(&[], None, None)),
        (
            "data: Z\u{fc}rich \u{1f600}\n\n".as_bytes(),
            seen(&[("message", "Z\u{fc}rich \u{1f600}")], None, None),
        ),
        (b"data: a", seen(&[], None, None)),
        (b"", seen(&[], None, None)),
    ];
    for (stream, expected) in &cases {
        for chunk in [1, 2, 3, 5, 7, 64, usize::MAX] {
            let got = read(stream, chunk.min(stream.len()));
            assert_eq!(
                &got,
                expected,
                "{:?} in chunks of {chunk}",
                String::from_utf8_lossy(stream)
            );
        }
    }
}

#[test]
fn bytes_that_are_no_utf8_stop_only_their_event() {
    let mut parser = SseParser::new(1024);
    let mut events = VecDeque::new();
    parser
        .feed(b"data: \xff\n\ndata: b\n\n", &mut events)
        .unwrap();
    assert_eq!(events[0].data.as_ref(), b"\xff");
    assert_eq!(events[1].data.as_ref(), b"b");
}

#[test]
fn an_event_beyond_the_limit_is_refused() {
    let mut parser = SseParser::new(16);
    let mut events = VecDeque::new();
    assert!(
        parser
            .feed(b"data: 0123456789\ndata: 01", &mut events)
            .is_ok()
    );
    assert_eq!(
        parser.feed(b"23456", &mut events),
        Err(Oversized { limit: 16 })
    );
}

#[test]
fn an_event_of_line_ends_alone_is_refused_beyond_the_limit() {
    for line in ["data\n", "data:\n", "data: \r\n", "data\r"] {
        for chunk in [1, 4, 7, usize::MAX] {
            let mut parser = SseParser::new(16);
            let mut events = VecDeque::new();
            let mut feed = |lines: usize| {
                let text = line.repeat(lines);
                let mut chunks = text.as_bytes().chunks(chunk.min(text.len()));
                chunks.try_for_each(|chunk| parser.feed(chunk, &mut events))
            };
            // One line end lies between two lines: this is the limit.
            assert_eq!(feed(17), Ok(()), "{line:?} in chunks of {chunk}");
            assert_eq!(
                feed(1),
                Err(Oversized { limit: 16 }),
                "{line:?} in chunks of {chunk}"
            );
        }
    }
}

#[test]
fn a_comment_without_end_does_not_grow() {
    let mut parser = SseParser::new(1024);
    let mut events = VecDeque::new();
    for _ in 0..100 {
        parser.feed(&[b':'; 64 * 1024], &mut events).unwrap();
    }
    let Line::Other(line) = &parser.line else {
        panic!()
    };
    assert!(line.len() <= LINE_LIMIT);
}

/// Random streams of what matters to the grammar, against a parser that others wrote.
#[test]
fn random_streams_give_the_same_events_as_eventsource_stream() {
    use eventsource_stream::Eventsource;
    use futures_util::FutureExt;

    let pieces = [
        "data",
        "data:",
        "data: ",
        "data:  x",
        "event: e",
        "event:",
        ":",
        ": c",
        "id: 1",
        "x",
        "\n",
        "\n",
        "\r\n",
        "\n\n",
        "\r\n\r\n",
        " ",
        "{\"a\":1}",
        "\u{e9}",
        "foo: bar",
    ];
    // The same streams at every run.
    let mut dice = Dice(7);
    let mut random = |below: usize| usize::try_from(dice.roll(below as u64)).unwrap();
    for round in 0..2000 {
        let mut stream: String = (0..1 + random(39))
            .map(|_| pieces[random(pieces.len())])
            .collect();
        stream.push_str("\n\n");
        let chunk = 1 + random(19);
        let ours = read(stream.as_bytes(), chunk).events;
        let whole =
            futures_util::stream::iter([Ok::<_, std::io::Error>(stream.clone().into_bytes())]);
        let theirs: Vec<(String, String)> = whole
            .eventsource()
            .map(|event| event.unwrap())
            .map(|event| (event.event, event.data))
            .collect::<Vec<_>>()
            .now_or_never()
            .expect("everything is there");
        let theirs: Vec<_> = theirs
            .into_iter()
            .filter(|(_, data)| !data.is_empty())
            .collect();
        assert_eq!(
            ours, theirs,
            "round {round}: {stream:?} in chunks of {chunk}"
        );
    }
}
