"""OpenAI SDK: a loop over chat completions. `pip install 'toolguard-embedded[openai]'`."""

from types import SimpleNamespace as Made

from story import REFUNDS, guard, issue_refund, show

from toolguard.adapters.openai import guarding

# In the place of `client.chat.completions.create(...)`: it asks for both refunds at once.
calls = [
    Made(id=f"c{number}", type="function", function=Made(name="issue_refund", arguments=f'{{"amount": {amount}}}'))
    for number, amount in enumerate(REFUNDS)
]
completion = Made(choices=[Made(message=Made(tool_calls=calls))])

with guard() as point:
    tools = guarding(point, {"issue_refund": issue_refund}, session_id="s-1")
    messages = tools.run(completion)  # what goes back to the model
for amount, message in zip(REFUNDS, messages, strict=True):
    show(amount, message["content"])
