// Hosts the contract over net.tcp and takes orders, one a line, from standard input; answers each with one line.

using System;
using System.ServiceModel;
using C4B.Atlas.Integration;

class Host
{
    static int Main(string[] arguments)
    {
        var port = arguments[0];
        var endpoint = arguments.Length > 1 ? arguments[1] : "IntegrationEndpointV2";
        var server = new Server();
        var host = new ServiceHost(server);
        var binding = new NetTcpBinding(SecurityMode.None) { MaxReceivedMessageSize = 1 << 26, SendTimeout = TimeSpan.FromSeconds(10), ReceiveTimeout = TimeSpan.FromMinutes(10) };
        host.AddServiceEndpoint(typeof(IIntegrationClientContract_v2), binding, "net.tcp://127.0.0.1:" + port + "/" + endpoint);
        host.Open();
        Console.WriteLine("ready");
        string line;
        while ((line = Console.ReadLine()) != null)
        {
            try { Console.WriteLine(Obey(server, line.Split('\t'))); }
            catch (Exception error) { Console.WriteLine("error " + error.GetType().Name + " " + error.Message.Replace('\n', ' ')); }
        }
        // Whoever started us is gone, or wants us gone: nothing is worth waiting for.
        Environment.Exit(0);
        return 0;
    }

    static string Obey(Server server, string[] order)
    {
        switch (order[0])
        {
            case "add": server.Add(order[1], order[2], order.Length > 3 ? order[3] : ""); break;
            case "pick": server.Pick(order[1], order[2], order[3]); break;
            case "reset": server.Reset(order[1], order[2], order[3]); break;
            case "set": server.Set(order[1], order[2], order[3], order[4]); break;
            case "remove": server.Remove(order[1], order[2]); break;
            case "telephone": server.Telephone(order[1], order[2]); break;
            case "show": return server.Show(order[1]);
            case "cut": server.Cut(); break;
            case "version": server.Version = int.Parse(order[1]); break;
            case "calls": return server.Calls.ToString();
            case "alive": return server.KeepAlives.ToString();
            case "language": return server.Language;
            case "listeners": return server.Listeners.ToString();
            default: return "unknown order";
        }
        return "done";
    }
}
