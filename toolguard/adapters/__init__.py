"""Where frameworks hand tool calls to the guard: one module each, loaded by its users only.

gate            what all of them share: a ruling on one call, an answer to it, and running it
langchain       LangChain and LangGraph;  openai_agents;  pydantic_ai;  mcp;  openai;  anthropic;
                    claude_agent_sdk
"""
