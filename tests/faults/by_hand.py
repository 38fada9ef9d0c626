"""What a client does after a loss of its connection, step by step, on the raw client of tests.venue; it judges nothing."""

from __future__ import annotations

from tests.venue import Client, Message


def back(client: Client) -> Client:
    """Connect and send Logon with the numbers that he has; what comes is still to be received."""
    client.connect().send("A", client.logon_body())
    return client


def everything(client: Client) -> list[Message]:
    """What comes until the venue has answered a question; gaps are asked for, and the venue's are filled."""
    found: list[Message] = []
    question = "ALL"
    client.send("H", f"11={question}|55=AAPL|54=1|")
    while True:
        message = client.receive()
        found.append(message)
        if message.number >= client.next_in and question == "ALL":
            question = "AGAIN"
            client.send("2", f"7={client.next_in}|16=0|")
            client.send("H", f"11={question}|55=AAPL|54=1|")
        if message.type == "2":
            answer_resend(client, message)
        if message.get(11) == question:
            return found


def answer_resend(client: Client, request: Message) -> None:
    """As a client must: orders again with PossDupFlag, gap fills for the rest."""
    first, last = int(request[7]), client.next_out - 1
    for number in range(first, last + 1):
        if number in client.sent:
            msg_type, body, stamp = client.sent[number]
            client.send(msg_type, body, number=number, header=f"43=Y|122={stamp}|")
        else:
            client.send("4", f"123=Y|36={number + 1}|", number=number, header="43=Y|")
