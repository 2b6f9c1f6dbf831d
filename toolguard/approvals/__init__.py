"""Having an escalated call answered by a person, so that the answer fits that call, holds, and cannot be forged."""
