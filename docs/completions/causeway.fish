# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_causeway_global_optspecs
    string join \n h/help V/version
end

function __fish_causeway_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_causeway_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_causeway_using_subcommand
    set -l cmd (__fish_causeway_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c causeway -n "__fish_causeway_needs_command" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_needs_command" -s V -l version -d 'Print version'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "submit" -d 'Sign transactions and send them to a channel'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "watch" -d 'Follow a channel: one line a block, each block verified'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "inspect" -d 'Show and verify a block, a channel\'s config, or a ledger on disk'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "config" -d 'Show and change the config of a live channel'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "bench" -d 'Measure an ordering service'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "sandbox" -d 'Run a network of ordering nodes on this machine'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "install-links" -d 'Put this binary in the place of Fabric\'s tools'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "completions" -d 'Print completions for a shell'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "write-documents" -d 'Write all manual pages and completions into a directory'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "sandbox-node" -d 'Run one node of a sandbox (started by `causeway sandbox`)'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "orderer" -d 'Run an ordering node'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "cryptogen" -d 'Make the keys and certificates of a network'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "configtxgen" -d 'Write the first block of a channel, or a transaction that changes one, from a profile in configtx.yaml'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "configtxlator" -d 'Translate Fabric\'s messages to JSON and back'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "osnadmin" -d 'Manage the channels that an orderer takes part in'
complete -c causeway -n "__fish_causeway_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand submit" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand submit" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand submit" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand submit" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand submit" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand submit" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand submit" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand submit" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand submit" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand submit" -s f -l file -d 'A file whose content is one transaction; may be given several times' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand submit" -s n -l count -d 'Generate this many transactions' -r
complete -c causeway -n "__fish_causeway_using_subcommand submit" -l size -d 'Content of a generated transaction (random bytes, after a number)' -r
complete -c causeway -n "__fish_causeway_using_subcommand submit" -l window -d 'How many may be on their way unanswered' -r
complete -c causeway -n "__fish_causeway_using_subcommand submit" -l timeout -d 'Give up when no orderer takes a transaction for this long' -r
complete -c causeway -n "__fish_causeway_using_subcommand submit" -l json -d 'Print one JSON object a transaction and a last one with the totals'
complete -c causeway -n "__fish_causeway_using_subcommand submit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand watch" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand watch" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand watch" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand watch" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand watch" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand watch" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand watch" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand watch" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand watch" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand watch" -l from -d 'First block: oldest, newest or a number' -r
complete -c causeway -n "__fish_causeway_using_subcommand watch" -s n -l count -d 'Stop after this many blocks' -r
complete -c causeway -n "__fish_causeway_using_subcommand watch" -l until -d 'Stop after this block: newest (at the time of the request) or a number' -r
complete -c causeway -n "__fish_causeway_using_subcommand watch" -l timeout -d 'Give up when no orderer delivers for this long' -r
complete -c causeway -n "__fish_causeway_using_subcommand watch" -l json -d 'Print one JSON object a block'
complete -c causeway -n "__fish_causeway_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -l fetch -d 'Fetch a block from an orderer: newest, oldest, a number, or config (the config block in force)' -r
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -l output -d 'Write the fetched block to a file, as `peer channel fetch` does; for joining a node, say' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -l json -d 'Print one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -f -a "show" -d 'Show a channel\'s config'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -f -a "edit" -d 'Change settings of a channel'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -f -a "diff" -d 'Tell the difference between two configs in words'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -f -a "sign" -d 'Add a signature to a config update in a file'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -f -a "submit" -d 'Submit a config update from a file'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -f -a "add-consenter" -d 'Add a consenter to a Raft channel'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -f -a "remove-consenter" -d 'Remove a consenter from a Raft channel'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -f -a "rotate-certificate" -d 'Give a consenter new TLS certificates'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -f -a "add-org" -d 'Add an organisation to a channel'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -f -a "maintenance" -d 'Enter or leave maintenance mode'
complete -c causeway -n "__fish_causeway_using_subcommand config; and not __fish_seen_subcommand_from show edit diff sign submit add-consenter remove-consenter rotate-certificate add-org maintenance help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -l block -d 'The config in force at this block, instead of now' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Print the config as JSON, as `configtxlator proto_decode --type common.Config` does'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l set -d 'Change a setting; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l file -d 'Take the edited JSON from a file, as `show --json` printed it and a script changed it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l sign-as -d 'Sign as this identity, too: its MSP and its MSP directory; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l output -d 'Write the update to a file for other administrators to sign, instead of submitting it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l timeout -d 'How long to wait until the update is ordered, and then until all reachable orderers have it' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l list -d 'Print what can be set, and stop'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l unsigned -d 'Do not sign what is written'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l dry-run -d 'Say what would change, who has to sign and what would be refused; send nothing'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l force -d 'Send it although a check here speaks against it; the orderers check for themselves'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -l json -d 'Print one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from edit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from diff" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from diff" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from diff" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from diff" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from diff" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from diff" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from diff" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from diff" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from diff" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from diff" -l json -d 'Print one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -l output -d 'Write the signed update here and leave FILE as it is' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -l sign-as -d 'Sign as this identity, too: its MSP and its MSP directory; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from sign" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l sign-as -d 'Sign as this identity, too: its MSP and its MSP directory; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l timeout -d 'How long to wait until the update is ordered, and then until all reachable orderers have it' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l dry-run -d 'Say what would change, who has to sign and what would be refused; send nothing'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l force -d 'Send it although a check here speaks against it; the orderers check for themselves'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -l json -d 'Print one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from submit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l server-tls-cert -d 'The node\'s TLS server certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l client-tls-cert -d 'The certificate that the node shows to other nodes, PEM (default: its server certificate)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l sign-as -d 'Sign as this identity, too: its MSP and its MSP directory; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l output -d 'Write the update to a file for other administrators to sign, instead of submitting it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l timeout -d 'How long to wait until the update is ordered, and then until all reachable orderers have it' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l unsigned -d 'Do not sign what is written'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l dry-run -d 'Say what would change, who has to sign and what would be refused; send nothing'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l force -d 'Send it although a check here speaks against it; the orderers check for themselves'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -l json -d 'Print one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-consenter" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l sign-as -d 'Sign as this identity, too: its MSP and its MSP directory; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l output -d 'Write the update to a file for other administrators to sign, instead of submitting it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l timeout -d 'How long to wait until the update is ordered, and then until all reachable orderers have it' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l unsigned -d 'Do not sign what is written'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l dry-run -d 'Say what would change, who has to sign and what would be refused; send nothing'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l force -d 'Send it although a check here speaks against it; the orderers check for themselves'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -l json -d 'Print one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from remove-consenter" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l server-tls-cert -d 'The node\'s TLS server certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l client-tls-cert -d 'The certificate that the node shows to other nodes, PEM (default: its server certificate)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l sign-as -d 'Sign as this identity, too: its MSP and its MSP directory; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l output -d 'Write the update to a file for other administrators to sign, instead of submitting it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l timeout -d 'How long to wait until the update is ordered, and then until all reachable orderers have it' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l unsigned -d 'Do not sign what is written'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l dry-run -d 'Say what would change, who has to sign and what would be refused; send nothing'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l force -d 'Send it although a check here speaks against it; the orderers check for themselves'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -l json -d 'Print one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from rotate-certificate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l to -d 'Where it belongs: application, orderer, or consortium:NAME on a system channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l mspid-of-org -d 'The id of its MSP, with an MSP directory (default: NAME)' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l policy -d 'A policy, with an MSP directory; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l endpoint -d 'Where its orderers are reached, with an MSP directory and --to orderer; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l anchor-peer -d 'An anchor peer, with an MSP directory and --to application; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l sign-as -d 'Sign as this identity, too: its MSP and its MSP directory; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l output -d 'Write the update to a file for other administrators to sign, instead of submitting it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l timeout -d 'How long to wait until the update is ordered, and then until all reachable orderers have it' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l unsigned -d 'Do not sign what is written'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l dry-run -d 'Say what would change, who has to sign and what would be refused; send nothing'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l force -d 'Send it although a check here speaks against it; the orderers check for themselves'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -l json -d 'Print one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from add-org" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l sign-as -d 'Sign as this identity, too: its MSP and its MSP directory; may be given several times' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l output -d 'Write the update to a file for other administrators to sign, instead of submitting it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l timeout -d 'How long to wait until the update is ordered, and then until all reachable orderers have it' -r
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l unsigned -d 'Do not sign what is written'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l dry-run -d 'Say what would change, who has to sign and what would be refused; send nothing'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l force -d 'Send it although a check here speaks against it; the orderers check for themselves'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -l json -d 'Print one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from maintenance" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show a channel\'s config'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "edit" -d 'Change settings of a channel'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "diff" -d 'Tell the difference between two configs in words'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "sign" -d 'Add a signature to a config update in a file'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "submit" -d 'Submit a config update from a file'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "add-consenter" -d 'Add a consenter to a Raft channel'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "remove-consenter" -d 'Remove a consenter from a Raft channel'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "rotate-certificate" -d 'Give a consenter new TLS certificates'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "add-org" -d 'Add an organisation to a channel'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "maintenance" -d 'Enter or leave maintenance mode'
complete -c causeway -n "__fish_causeway_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and not __fish_seen_subcommand_from order idle catchup help" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and not __fish_seen_subcommand_from order idle catchup help" -f -a "order" -d 'Measure how fast transactions get into blocks'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and not __fish_seen_subcommand_from order idle catchup help" -f -a "idle" -d 'Measure what idle channels cost'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and not __fish_seen_subcommand_from order idle catchup help" -f -a "catchup" -d 'Measure how soon a node is back that was away'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and not __fish_seen_subcommand_from order idle catchup help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l sandbox -d 'Take all of the following from a sandbox (default: ./sandbox, if it is there and no --orderer is given)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -s o -l orderer -l orderers -d 'Orderers; may be given several times or as a list with commas' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -s c -l channel -l channelID -d 'The channel' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l msp-dir -d 'Fabric MSP directory of the identity that signs (its signcerts and keystore are used)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l mspid -d 'The MSP of that identity' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l tls-ca -l cafile -d 'CA of the orderers\' TLS certificates, PEM; may be given several times. Without it there is no TLS' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l client-cert -d 'Client certificate for mutual TLS, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l tls-server-name -d 'Expect this name in the orderers\' TLS certificates instead of the host in their address' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l operations -d 'Operations listeners (plain HTTP) in the order of the orderers: their metrics tell the leader. Without them the first orderer is taken for it' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l pids -d 'Process ids in the order of the orderers (default: found by their ports)' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l deliver-from -d 'Receive the blocks from this orderer (default: the last one that does not lead)' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -s n -l count -d 'Transactions to send (default: 50000, or what fits the duration)' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l duration -d 'Stop sending after this time' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l size -d 'Content of a transaction; headers, certificate and signature come on top' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l streams -d 'Broadcast streams in all' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l connections -d 'Connections in all, used by the streams in turn (default: one a stream)' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l window -d 'Unanswered transactions a stream' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l rate -d 'Offer this many transactions a second instead of as many as are answered' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l threads -d 'Threads that send and receive; more take CPU time from nodes on the same machine' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l timeout -d 'Give up when nothing moves for this long' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l spread -d 'Send to all orderers (default: to the leader only)'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -l json -d 'Print the figures as one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from order" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from idle" -s n -l channels -d 'Number of channels' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from idle" -l duration -d 'How long the idle nodes are watched' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from idle" -l settle -d 'How long the nodes may settle before' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from idle" -l orderer -d 'Measure this orderer instead of this program; it must read Fabric\'s orderer.yaml' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from idle" -l against -d 'Measure this orderer afterwards in the same way, and tell the ratios' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from idle" -l dir -d 'Where the nodes keep their things for the time; needs room for what is ordered (default: the system\'s temporary directory)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from idle" -l base-port -d 'First port of the first node' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from idle" -l json -d 'Print the figures as one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from idle" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from catchup" -s n -l transactions -d 'Transactions that the node misses' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from catchup" -l size -d 'Content of a transaction; headers, certificate and signature come on top' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from catchup" -l timeout -d 'Give up when the node is not back after this time' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from catchup" -l orderer -d 'Measure this orderer instead of this program; it must read Fabric\'s orderer.yaml' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from catchup" -l against -d 'Measure this orderer afterwards in the same way, and tell the ratios' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from catchup" -l dir -d 'Where the nodes keep their things for the time; needs room for what is ordered (default: the system\'s temporary directory)' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from catchup" -l base-port -d 'First port of the first node' -r
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from catchup" -l json -d 'Print the figures as one JSON object'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from catchup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from help" -f -a "order" -d 'Measure how fast transactions get into blocks'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from help" -f -a "idle" -d 'Measure what idle channels cost'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from help" -f -a "catchup" -d 'Measure how soon a node is back that was away'
complete -c causeway -n "__fish_causeway_using_subcommand bench; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand sandbox" -l nodes -d 'Number of nodes (default: 3)' -r
complete -c causeway -n "__fish_causeway_using_subcommand sandbox" -s c -l channel -d 'The channel (default: sandbox)' -r
complete -c causeway -n "__fish_causeway_using_subcommand sandbox" -l dir -d 'Where everything is kept' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand sandbox" -l base-port -d 'First port of the first node (default: 7050)' -r
complete -c causeway -n "__fish_causeway_using_subcommand sandbox" -l submit -d 'Order this many signed transactions over all nodes, then compare the header hashes of all chains at every height' -r
complete -c causeway -n "__fish_causeway_using_subcommand sandbox" -l once -d 'Stop when that is done; the exit code tells whether all went well'
complete -c causeway -n "__fish_causeway_using_subcommand sandbox" -l json -d 'Print one JSON object an event'
complete -c causeway -n "__fish_causeway_using_subcommand sandbox" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand install-links" -l force -d 'Replace what has a tool\'s name and is no link to this binary, such as Fabric\'s own tools'
complete -c causeway -n "__fish_causeway_using_subcommand install-links" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand write-documents" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand sandbox-node" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand orderer; and not __fish_seen_subcommand_from start version help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand orderer; and not __fish_seen_subcommand_from start version help" -f -a "start" -d 'Start the node (default)'
complete -c causeway -n "__fish_causeway_using_subcommand orderer; and not __fish_seen_subcommand_from start version help" -f -a "version" -d 'Show version information'
complete -c causeway -n "__fish_causeway_using_subcommand orderer; and not __fish_seen_subcommand_from start version help" -f -a "help" -d 'Show this help'
complete -c causeway -n "__fish_causeway_using_subcommand orderer; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand orderer; and __fish_seen_subcommand_from version" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand orderer; and __fish_seen_subcommand_from help" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and not __fish_seen_subcommand_from generate extend showtemplate version help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and not __fish_seen_subcommand_from generate extend showtemplate version help" -f -a "generate" -d 'Make everything that a configuration describes'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and not __fish_seen_subcommand_from generate extend showtemplate version help" -f -a "extend" -d 'Add what is new in a configuration to what was made before'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and not __fish_seen_subcommand_from generate extend showtemplate version help" -f -a "showtemplate" -d 'Show a configuration to start from'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and not __fish_seen_subcommand_from generate extend showtemplate version help" -f -a "version" -d 'Show version information'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and not __fish_seen_subcommand_from generate extend showtemplate version help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from generate" -l output -d 'The directory to make it in' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from generate" -l config -d 'The configuration; without it the one that showtemplate shows' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from generate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from extend" -l input -d 'The directory that generate has made' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from extend" -l config -d 'The configuration; without it the one that showtemplate shows' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from extend" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from showtemplate" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from version" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from help" -f -a "generate" -d 'Make everything that a configuration describes'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from help" -f -a "extend" -d 'Add what is new in a configuration to what was made before'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from help" -f -a "showtemplate" -d 'Show a configuration to start from'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from help" -f -a "version" -d 'Show version information'
complete -c causeway -n "__fish_causeway_using_subcommand cryptogen; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l profile -d 'The profile in configtx.yaml to make something of' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l channelID -d 'The channel\'s name' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l configPath -d 'The directory that has configtx.yaml' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l outputBlock -d 'Write the channel\'s first block to this file' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l outputCreateChannelTx -d 'Write the transaction that asks a system channel to create the channel to this file' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l channelCreateTxBaseProfile -d 'The system channel\'s profile, where the new channel shall differ from it in more than its members (with -outputCreateChannelTx)' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l outputAnchorPeersUpdate -d 'Write the transaction that adds the anchor peers of -asOrg to a channel that was just created to this file (deprecated: update the channel\'s config instead)' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l asOrg -d 'The organization, by name, whose anchor peers are added' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l inspectBlock -d 'Print the block in this file as JSON' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l inspectChannelCreateTx -d 'Print the channel creation transaction in this file as JSON' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l printOrg -d 'Print an organization of configtx.yaml as JSON, to be added to a channel\'s config' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -l version -d 'Print the version'
complete -c causeway -n "__fish_causeway_using_subcommand configtxgen" -s h -l help -d 'Print this page'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "start" -d 'Serve the translations over HTTP, to whoever can connect'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "proto_encode" -d 'Turn JSON into a message'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "proto_decode" -d 'Turn a message into JSON'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "compute_update" -d 'Compute the update that turns one channel config into another'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "version" -d 'Show version information'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and not __fish_seen_subcommand_from start proto_encode proto_decode compute_update version help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from start" -l hostname -d 'Host name or IP address to listen on' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from start" -l port -d 'TCP port to listen on' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from start" -l CORS -d 'Origin whose web pages may call, such as https://www.example.com, or * for all; can be repeated' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from proto_encode" -l type -d 'Type of the message: a package (common, msp, orderer, etcdraft, protos, rwset, kvrwset) and a name, such as common.Config' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from proto_encode" -l input -d 'File to read; standard input without it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from proto_encode" -l output -d 'File to write to; standard output without it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from proto_encode" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from proto_decode" -l type -d 'Type of the message: a package (common, msp, orderer, etcdraft, protos, rwset, kvrwset) and a name, such as common.Config' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from proto_decode" -l input -d 'File to read; standard input without it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from proto_decode" -l output -d 'File to write to; standard output without it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from proto_decode" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from compute_update" -l original -d 'File with the config as it is' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from compute_update" -l updated -d 'File with the config as it shall be' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from compute_update" -l channel_id -d 'The channel that the update is for' -r
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from compute_update" -l output -d 'File to write the update to; standard output without it' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from compute_update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from version" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from help" -f -a "start" -d 'Serve the translations over HTTP, to whoever can connect'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from help" -f -a "proto_encode" -d 'Turn JSON into a message'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from help" -f -a "proto_decode" -d 'Turn a message into JSON'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from help" -f -a "compute_update" -d 'Compute the update that turns one channel config into another'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from help" -f -a "version" -d 'Show version information'
complete -c causeway -n "__fish_causeway_using_subcommand configtxlator; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and not __fish_seen_subcommand_from channel help" -s o -l orderer-address -d 'Admin endpoint of the orderer; required' -r
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and not __fish_seen_subcommand_from channel help" -l ca-file -d 'CA of the orderer\'s TLS certificate, PEM. With it TLS is spoken, and a client certificate is needed' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and not __fish_seen_subcommand_from channel help" -l client-cert -d 'Client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and not __fish_seen_subcommand_from channel help" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and not __fish_seen_subcommand_from channel help" -l no-status -d 'Print the answer without the line with the HTTP status'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and not __fish_seen_subcommand_from channel help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and not __fish_seen_subcommand_from channel help" -f -a "channel" -d 'Join, list or remove channels'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and not __fish_seen_subcommand_from channel help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from channel" -s o -l orderer-address -d 'Admin endpoint of the orderer; required' -r
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from channel" -l ca-file -d 'CA of the orderer\'s TLS certificate, PEM. With it TLS is spoken, and a client certificate is needed' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from channel" -l client-cert -d 'Client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from channel" -l client-key -d 'Private key of the client certificate, PEM' -r -F
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from channel" -l no-status -d 'Print the answer without the line with the HTTP status'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from channel" -s h -l help -d 'Print help'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from channel" -f -a "join" -d 'Join a channel, or make it, from its genesis block or a later config block'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from channel" -f -a "list" -d 'List all channels, or tell more about one'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from channel" -f -a "remove" -d 'Leave a channel and remove its blocks from the orderer'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from channel" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from help" -f -a "channel" -d 'Join, list or remove channels'
complete -c causeway -n "__fish_causeway_using_subcommand osnadmin; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "submit" -d 'Sign transactions and send them to a channel'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "watch" -d 'Follow a channel: one line a block, each block verified'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "inspect" -d 'Show and verify a block, a channel\'s config, or a ledger on disk'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "config" -d 'Show and change the config of a live channel'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "bench" -d 'Measure an ordering service'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "sandbox" -d 'Run a network of ordering nodes on this machine'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "install-links" -d 'Put this binary in the place of Fabric\'s tools'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "completions" -d 'Print completions for a shell'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "write-documents" -d 'Write all manual pages and completions into a directory'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "sandbox-node" -d 'Run one node of a sandbox (started by `causeway sandbox`)'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "orderer" -d 'Run an ordering node'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "cryptogen" -d 'Make the keys and certificates of a network'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "configtxgen" -d 'Write the first block of a channel, or a transaction that changes one, from a profile in configtx.yaml'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "configtxlator" -d 'Translate Fabric\'s messages to JSON and back'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "osnadmin" -d 'Manage the channels that an orderer takes part in'
complete -c causeway -n "__fish_causeway_using_subcommand help; and not __fish_seen_subcommand_from submit watch inspect config bench sandbox install-links completions write-documents sandbox-node orderer cryptogen configtxgen configtxlator osnadmin help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "show" -d 'Show a channel\'s config'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "edit" -d 'Change settings of a channel'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "diff" -d 'Tell the difference between two configs in words'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "sign" -d 'Add a signature to a config update in a file'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "submit" -d 'Submit a config update from a file'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "add-consenter" -d 'Add a consenter to a Raft channel'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "remove-consenter" -d 'Remove a consenter from a Raft channel'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "rotate-certificate" -d 'Give a consenter new TLS certificates'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "add-org" -d 'Add an organisation to a channel'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "maintenance" -d 'Enter or leave maintenance mode'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "order" -d 'Measure how fast transactions get into blocks'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "idle" -d 'Measure what idle channels cost'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "catchup" -d 'Measure how soon a node is back that was away'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from orderer" -f -a "start" -d 'Start the node (default)'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from orderer" -f -a "version" -d 'Show version information'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from orderer" -f -a "help" -d 'Show this help'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from cryptogen" -f -a "generate" -d 'Make everything that a configuration describes'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from cryptogen" -f -a "extend" -d 'Add what is new in a configuration to what was made before'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from cryptogen" -f -a "showtemplate" -d 'Show a configuration to start from'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from cryptogen" -f -a "version" -d 'Show version information'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from configtxlator" -f -a "start" -d 'Serve the translations over HTTP, to whoever can connect'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from configtxlator" -f -a "proto_encode" -d 'Turn JSON into a message'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from configtxlator" -f -a "proto_decode" -d 'Turn a message into JSON'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from configtxlator" -f -a "compute_update" -d 'Compute the update that turns one channel config into another'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from configtxlator" -f -a "version" -d 'Show version information'
complete -c causeway -n "__fish_causeway_using_subcommand help; and __fish_seen_subcommand_from osnadmin" -f -a "channel" -d 'Join, list or remove channels'
