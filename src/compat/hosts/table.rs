//! The table of the hosts.
//!
//! Paths and keys are those of the hosts' own documentation and sources, of `stacklok/toolhive`
//! (`pkg/client/config.go`), `neondatabase/add-mcp` (`src/agents.ts`), `smithery-ai/cli`
//! (`src/config/clients.ts`) and `gleanwork/mcp-config-schema`.

use super::entry::{BARE, CONTINUE, COPILOT, GOOSE, OPENCODE, STDIO, Shape, VIBE};
use super::tree::Format::{self, Json, Toml, Yaml};
use super::{Base, Host, Place, System};

const ALL: &[System] = &[System::Mac, System::Linux, System::Windows];
const UNIX: &[System] = &[System::Mac, System::Linux];
const MAC: &[System] = &[System::Mac];
const WINDOWS: &[System] = &[System::Windows];

type Ways = &'static [&'static [&'static str]];

const MCP_SERVERS: Ways = &[&["mcpServers"]];

const fn place(on: &'static [System], base: Base, path: &'static str, servers: Ways) -> Place {
    written(on, base, path, Json, servers)
}

const fn written(
    on: &'static [System],
    base: Base,
    path: &'static str,
    format: Format,
    servers: Ways,
) -> Place {
    Place {
        on,
        base,
        path,
        format,
        servers,
    }
}

/// A host with JSON and `mcpServers`, in places that all systems have.
const fn usual(
    name: &'static str,
    title: &'static str,
    aliases: &'static [&'static str],
    places: &'static [Place],
) -> Host {
    shaped(name, title, aliases, places, &BARE)
}

const fn shaped(
    name: &'static str,
    title: &'static str,
    aliases: &'static [&'static str],
    places: &'static [Place],
    shape: &'static Shape,
) -> Host {
    Host {
        name,
        title,
        aliases,
        places,
        shape,
    }
}

/// Every host that is known, by the name that people look for first.
pub const HOSTS: &[Host] = &[
    usual(
        "claude-desktop",
        "Claude Desktop",
        &["claude"],
        &[
            place(
                ALL,
                Base::AppData,
                "Claude/claude_desktop_config.json",
                MCP_SERVERS,
            ),
            // The build of the Microsoft Store has a file system of its own.
            place(
                WINDOWS,
                Base::LocalAppData,
                "Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json",
                MCP_SERVERS,
            ),
        ],
    ),
    shaped(
        "claude-code",
        "Claude Code",
        &[],
        &[
            place(
                ALL,
                Base::Home,
                ".claude.json",
                &[&["mcpServers"], &["projects", "*", "mcpServers"]],
            ),
            place(ALL, Base::Project, ".mcp.json", MCP_SERVERS),
        ],
        &STDIO,
    ),
    usual(
        "cursor",
        "Cursor",
        &[],
        &[
            place(ALL, Base::Home, ".cursor/mcp.json", MCP_SERVERS),
            place(ALL, Base::Project, ".cursor/mcp.json", MCP_SERVERS),
        ],
    ),
    shaped(
        "vscode",
        "VS Code",
        &["code", "visual-studio-code"],
        VSCODE,
        &STDIO,
    ),
    shaped(
        "vscode-insiders",
        "VS Code Insiders",
        &["code-insiders"],
        &[
            place(
                ALL,
                Base::AppData,
                "Code - Insiders/User/mcp.json",
                &[&["servers"]],
            ),
            place(
                ALL,
                Base::AppData,
                "Code - Insiders/User/settings.json",
                IN_SETTINGS,
            ),
            place(
                ALL,
                Base::Home,
                ".vscode-server-insiders/data/User/mcp.json",
                &[&["servers"]],
            ),
        ],
        &STDIO,
    ),
    usual(
        "windsurf",
        "Windsurf",
        &["codeium"],
        &[
            place(
                ALL,
                Base::Home,
                ".codeium/windsurf/mcp_config.json",
                MCP_SERVERS,
            ),
            place(ALL, Base::Home, ".codeium/mcp_config.json", MCP_SERVERS),
        ],
    ),
    usual(
        "zed",
        "Zed",
        &[],
        &[
            place(
                UNIX,
                Base::DotConfig,
                "zed/settings.json",
                &[&["context_servers"]],
            ),
            place(
                WINDOWS,
                Base::AppData,
                "Zed/settings.json",
                &[&["context_servers"]],
            ),
            place(
                MAC,
                Base::AppData,
                "Zed/settings.json",
                &[&["context_servers"]],
            ),
            place(
                ALL,
                Base::Project,
                ".zed/settings.json",
                &[&["context_servers"]],
            ),
        ],
    ),
    usual(
        "cline",
        "Cline",
        &[],
        &[
            place(
                ALL,
                Base::AppData,
                "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
                MCP_SERVERS,
            ),
            // In editors that VS Code was the model of.
            place(
                ALL,
                Base::AppData,
                "*/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
                MCP_SERVERS,
            ),
            place(
                ALL,
                Base::Home,
                ".vscode-server/data/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
                MCP_SERVERS,
            ),
            place(
                ALL,
                Base::Variable("CLINE_DIR", ".cline"),
                "data/settings/cline_mcp_settings.json",
                MCP_SERVERS,
            ),
        ],
    ),
    usual(
        "roo-code",
        "Roo Code",
        &["roo", "roo-cline"],
        &[
            place(
                ALL,
                Base::AppData,
                "Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
                MCP_SERVERS,
            ),
            place(
                ALL,
                Base::AppData,
                "*/User/globalStorage/rooveterinaryinc.roo-cline/settings/*mcp_settings.json",
                MCP_SERVERS,
            ),
            place(
                ALL,
                Base::Home,
                ".vscode-server/data/User/globalStorage/rooveterinaryinc.roo-cline/settings/*mcp_settings.json",
                MCP_SERVERS,
            ),
            place(ALL, Base::Project, ".roo/mcp.json", MCP_SERVERS),
        ],
    ),
    usual(
        "codex",
        "Codex",
        &["codex-cli"],
        &[
            written(
                ALL,
                Base::Variable("CODEX_HOME", ".codex"),
                "config.toml",
                Toml,
                &[&["mcp_servers"]],
            ),
            written(
                ALL,
                Base::Project,
                ".codex/config.toml",
                Toml,
                &[&["mcp_servers"]],
            ),
        ],
    ),
    usual(
        "gemini-cli",
        "Gemini CLI",
        &["gemini"],
        &[
            place(ALL, Base::Home, ".gemini/settings.json", MCP_SERVERS),
            place(ALL, Base::Project, ".gemini/settings.json", MCP_SERVERS),
        ],
    ),
    usual(
        "antigravity",
        "Antigravity",
        &[],
        &[place(
            ALL,
            Base::Home,
            ".gemini/antigravity/mcp_config.json",
            MCP_SERVERS,
        )],
    ),
    shaped(
        "continue",
        "Continue",
        &[],
        &[
            written(ALL, Base::Home, ".continue/config.yaml", Yaml, MCP_SERVERS),
            written(
                ALL,
                Base::Home,
                ".continue/mcpServers/*.yaml",
                Yaml,
                MCP_SERVERS,
            ),
            place(ALL, Base::Home, ".continue/mcpServers/*.json", MCP_SERVERS),
            written(
                ALL,
                Base::Project,
                ".continue/mcpServers/*.yaml",
                Yaml,
                MCP_SERVERS,
            ),
            place(
                ALL,
                Base::Project,
                ".continue/mcpServers/*.json",
                MCP_SERVERS,
            ),
        ],
        &CONTINUE,
    ),
    shaped(
        "goose",
        "Goose",
        &[],
        &[
            written(
                UNIX,
                Base::DotConfig,
                "goose/config.yaml",
                Yaml,
                &[&["extensions"]],
            ),
            written(
                WINDOWS,
                Base::AppData,
                "Block/goose/config/config.yaml",
                Yaml,
                &[&["extensions"]],
            ),
        ],
        &GOOSE,
    ),
    usual(
        "lm-studio",
        "LM Studio",
        &["lmstudio"],
        &[place(ALL, Base::Home, ".lmstudio/mcp.json", MCP_SERVERS)],
    ),
    usual("jetbrains", "JetBrains AI Assistant", &["intellij"], &[]),
    usual(
        "junie",
        "Junie",
        &[],
        &[
            place(ALL, Base::Home, ".junie/mcp/mcp.json", MCP_SERVERS),
            place(ALL, Base::Project, ".junie/mcp/mcp.json", MCP_SERVERS),
        ],
    ),
    usual("warp", "Warp", &[], &[]),
    usual(
        "kiro",
        "Kiro",
        &[],
        &[
            place(ALL, Base::Home, ".kiro/settings/mcp.json", MCP_SERVERS),
            place(ALL, Base::Project, ".kiro/settings/mcp.json", MCP_SERVERS),
        ],
    ),
    usual(
        "amazon-q",
        "Amazon Q CLI",
        &["amazonq", "q"],
        &[
            place(ALL, Base::Home, ".aws/amazonq/mcp.json", MCP_SERVERS),
            place(
                ALL,
                Base::Home,
                ".aws/amazonq/cli-agents/*.json",
                MCP_SERVERS,
            ),
            place(ALL, Base::Project, ".amazonq/mcp.json", MCP_SERVERS),
        ],
    ),
    shaped(
        "opencode",
        "opencode",
        &[],
        &[
            place(ALL, Base::DotConfig, "opencode/opencode.json", &[&["mcp"]]),
            place(ALL, Base::DotConfig, "opencode/opencode.jsonc", &[&["mcp"]]),
            place(ALL, Base::Project, "opencode.json", &[&["mcp"]]),
            place(ALL, Base::Project, "opencode.jsonc", &[&["mcp"]]),
        ],
        &OPENCODE,
    ),
    shaped(
        "copilot-cli",
        "Copilot CLI",
        &["copilot", "github-copilot-cli"],
        &[place(
            ALL,
            Base::Home,
            ".copilot/mcp-config.json",
            MCP_SERVERS,
        )],
        &COPILOT,
    ),
    usual(
        "trae",
        "Trae",
        &[],
        &[place(ALL, Base::AppData, "Trae/User/mcp.json", MCP_SERVERS)],
    ),
    usual(
        "factory",
        "Factory",
        &["droid"],
        &[
            place(ALL, Base::Home, ".factory/mcp.json", MCP_SERVERS),
            place(ALL, Base::Project, ".factory/mcp.json", MCP_SERVERS),
        ],
    ),
    usual(
        "kimi",
        "Kimi CLI",
        &[],
        &[place(ALL, Base::Home, ".kimi/mcp.json", MCP_SERVERS)],
    ),
    usual(
        "amp",
        "Amp",
        &[],
        &[place(
            ALL,
            Base::DotConfig,
            "amp/settings.json",
            &[&["amp.mcpServers"]],
        )],
    ),
    usual(
        "witsy",
        "Witsy",
        &[],
        &[place(
            ALL,
            Base::AppData,
            "Witsy/settings.json",
            MCP_SERVERS,
        )],
    ),
    usual(
        "tome",
        "Tome",
        &[],
        &[place(ALL, Base::Home, ".tome/mcp_config.json", MCP_SERVERS)],
    ),
    usual(
        "boltai",
        "BoltAI",
        &[],
        &[place(MAC, Base::Home, ".boltai/mcp.json", MCP_SERVERS)],
    ),
    usual(
        "librechat",
        "LibreChat",
        &[],
        &[written(
            ALL,
            Base::Project,
            "librechat.yaml",
            Yaml,
            MCP_SERVERS,
        )],
    ),
    shaped(
        "mistral-vibe",
        "Mistral Vibe",
        &["vibe"],
        &[written(
            ALL,
            Base::Home,
            ".vibe/config.toml",
            Toml,
            &[&["mcp_servers"]],
        )],
        &VIBE,
    ),
    usual(
        "mcporter",
        "mcporter",
        &[],
        &[
            place(ALL, Base::Home, ".mcporter/mcporter.json", MCP_SERVERS),
            place(ALL, Base::Home, ".mcporter/mcporter.jsonc", MCP_SERVERS),
            place(ALL, Base::Project, "config/mcporter.json", MCP_SERVERS),
        ],
    ),
];

/// Servers stood in the settings before they had a file of their own.
const IN_SETTINGS: Ways = &[&["mcp", "servers"], &["mcp.servers"]];

const VSCODE: &[Place] = &[
    place(ALL, Base::AppData, "Code/User/mcp.json", &[&["servers"]]),
    place(
        ALL,
        Base::AppData,
        "Code/User/profiles/*/mcp.json",
        &[&["servers"]],
    ),
    place(ALL, Base::AppData, "Code/User/settings.json", IN_SETTINGS),
    place(
        ALL,
        Base::AppData,
        "VSCodium/User/mcp.json",
        &[&["servers"]],
    ),
    place(
        ALL,
        Base::Home,
        ".vscode-server/data/User/mcp.json",
        &[&["servers"]],
    ),
    place(ALL, Base::Project, ".vscode/mcp.json", &[&["servers"]]),
    place(ALL, Base::Project, ".vscode/settings.json", IN_SETTINGS),
    place(
        ALL,
        Base::Project,
        ".devcontainer/devcontainer.json",
        IN_CONTAINER,
    ),
    place(ALL, Base::Project, ".devcontainer.json", IN_CONTAINER),
];

const IN_CONTAINER: Ways = &[
    &["customizations", "vscode", "mcp", "servers"],
    &["customizations", "vscode", "settings", "mcp", "servers"],
];
